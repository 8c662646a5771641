"""What the project wants to reach, beside what a run reached."""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from benchmarks.measures.speed import Line
from benchmarks.reports.table import aligned
from benchmarks.sections import Results
from benchmarks.workloads.questions import Accuracy
from benchmarks.workloads.workload import FAST, LIGSERVE, STANDARD, Entrant

# Least speed, library = 1, by workload and accuracy.
SPEEDS: dict[tuple[str, Accuracy], float] = {
    ("W1", STANDARD): 1.8,
    ("W2", STANDARD): 1.8,
    ("W1", FAST): 2.5,
    ("W2", FAST): 2.5,
    ("W3", STANDARD): 3.0,
    ("W4", STANDARD): 3.0,
    ("W5", STANDARD): 2.0,
    ("W6", STANDARD): 2.0,
    ("BASE", replace(FAST, precision="bfloat16")): 4.0,
}
MATCHED_SPEED = 4.0
LOAD_SPEED, LOAD_LATENCY = 1.5, 3.0
OVERHEAD_S = 0.003
SHARE = 0.8


class Goal(NamedTuple):
    """A goal, and whether it was reached; `wanted` and `found` as a person reads them."""

    what: str
    wanted: str
    found: str
    reached: bool


def goal_table(results: Results) -> Iterator[str]:
    """The table of the goals that the run says something about; nothing if there are none."""
    found = list(goals(results))
    if found:
        rows = [(each.what, each.wanted, each.found, "yes" if each.reached else "NO") for each in found]
        yield aligned([("goal", "wanted", "found", "reached"), *rows])


def goals(results: Results) -> Iterator[Goal]:
    """Every goal that the run says something about."""
    yield from _speeds(results)
    for match in results.workloads.matches:
        what = f"{match.workload.code} at 1 %, speed against the library as exact"
        yield _at_least(what, MATCHED_SPEED, match.speed)
    for stream in results.workloads.streams[:1]:
        what, found = "server's share of a call", f"{stream.overhead * 1e3:.1f} ms"
        yield Goal(what, f"below {OVERHEAD_S * 1e3:.0f} ms", found, stream.overhead < OVERHEAD_S)
    for line in results.load:
        yield _at_least(f"W8, {line.asked}, speed", LOAD_SPEED, line.speed)
        ratio = line.beside / line.alone
        what = f"W8, {line.asked}, short requests' p95 among others / alone"
        yield Goal(what, f"at most {LOAD_LATENCY:g}", f"{ratio:.1f}", ratio <= LOAD_LATENCY)
    if results.base:
        yield _share(results.base.lines, results.base.shares)


def _speeds(results: Results) -> Iterator[Goal]:
    of_base = results.base.lines if results.base else []
    for line in (*results.workloads.lines, *of_base):
        code, accuracy = line.workload.code, line.entrant.accuracy
        if (code, accuracy) in SPEEDS:
            yield _at_least(f"{code}, {accuracy}, speed", SPEEDS[code, accuracy], line.speed)
        if line.entrant == Entrant(LIGSERVE, STANDARD):
            within, of = line.within_1_percent, len(line.errors)
            yield Goal(f"{code}, true errors within 1 %", f"{of} of {of}", f"{within} of {of}", within == of)


def _share(lines: Sequence[Line], shares: Sequence[float]) -> Goal:
    """Of ligserve's lines in float32 the median."""
    ours = [
        share
        for line, share in zip(lines, shares, strict=True)
        if line.entrant.contender == LIGSERVE and line.entrant.accuracy.precision is None
    ]
    what, found = "BASE, share of the matrix-product rate", statistics.median(ours)
    return Goal(what, f"at least {SHARE:.0%}", f"{found:.0%}", found >= SHARE)


def _at_least(what: str, wanted: float, found: float) -> Goal:
    return Goal(what, f"at least {wanted:g}", f"{found:.2f}", found >= wanted)
