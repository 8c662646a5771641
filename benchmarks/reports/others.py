"""The tables beside the main one, each with a sentence that says how to read it."""

from collections.abc import Sequence

from benchmarks.measures.base_shape import BaseShape
from benchmarks.measures.growth import ClientsLine, Curve
from benchmarks.measures.load import CLIENTS, LoadLine, WorkersLine
from benchmarks.measures.match import Match
from benchmarks.measures.streams import StreamLine
from benchmarks.reports.table import aligned, percent


def match_table(matches: Sequence[Match]) -> str:
    """The steps that the library needs."""
    head = ("what", "library's steps", "its error, p90", "ours at 1 %, p90", "our speed, that library = 1")
    rows = [
        (
            f"{each.workload.code} {each.workload.name}",
            f"{'' if each.reached else 'more than '}{each.steps}",
            percent(each.library_error),
            percent(each.our_error),
            f"{each.speed:.2f}",
        )
        for each in matches
    ]
    return aligned([head, *rows])


def stream_table(streams: Sequence[StreamLine]) -> str:
    """The first estimates, and what a server adds."""
    head = (
        "what",
        "ms to the header",
        "to a preview",
        "to the first estimate",
        "to the end",
        "library's time / time to the first estimate",
        "server's share of a call, ms",
    )
    rows = [
        (
            f"{each.workload.code} {each.workload.name}",
            *(
                f"{seconds * 1e3:.0f}"
                for seconds in (each.header, each.preview, each.first_estimate, each.end)
            ),
            f"{each.library / each.first_estimate:.2f}",
            f"{each.overhead * 1e3:.1f}",
        )
        for each in streams
    ]
    return aligned([head, *rows])


def load_table(lines: Sequence[LoadLine]) -> str:
    """W8."""
    head = (
        "asked for",
        "speed, library = 1",
        "short requests alone, median ms",
        "p95 among others",
        "ratio",
        "ratio, all beginning at once",
    )
    rows = [
        (
            f"W8, {CLIENTS} clients, {each.asked}",
            f"{each.speed:.2f}",
            f"{each.alone * 1e3:.0f}",
            f"{each.beside * 1e3:.0f}",
            f"{each.beside / each.alone:.1f}",
            f"{each.at_once / each.alone:.1f}",
        )
        for each in lines
    ]
    return aligned([head, *rows])


def workers_table(lines: Sequence[WorkersLine]) -> str:
    """W9."""
    head = ("workers x threads", "speed, one worker = 1", "short requests among others, p95, one worker = 1")
    rows = [
        (
            f"W9, {each.workers} x {each.threads}",
            f"{each.speed:.2f}",
            f"{each.beside / lines[0].beside:.2f}",
        )
        for each in lines
    ]
    return aligned([head, *rows])


def share_table(base: BaseShape) -> str:
    """How busy the machine was on BERT-base's shape."""
    head = ("contender", "asked for", "share of the matrix-product rate")
    rows = [
        (line.entrant.contender, str(line.entrant.accuracy), f"{share:.0%}")
        for line, share in zip(base.lines, base.shares, strict=True)
    ]
    return aligned([head, *rows])


def curve_table(name: str, found: Sequence[Curve]) -> str:
    """Time by size; the library's at the smallest size is 1."""
    unit = found[0].seconds[0]
    head = ("contender", "asked for", *(f"{size} {name}" for size in found[0].sizes))
    rows = [
        (
            curve.entrant.contender,
            str(curve.entrant.accuracy),
            *(f"{seconds / unit:.2f}" for seconds in curve.seconds),
        )
        for curve in found
    ]
    return aligned([head, *rows])


def clients_table(lines: Sequence[ClientsLine]) -> str:
    """Answers a second by number of clients."""
    head = ("clients", "answers a second, one client = 1", "p95 of the latency, one client = 1")
    return aligned([head, *((str(e.clients), f"{e.throughput:.2f}", f"{e.p95:.2f}") for e in lines)])
