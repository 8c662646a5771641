"""Take the measurements: every entrant in turn, again and again, on every text."""

import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.process import ContenderProcess, Timed
from benchmarks.truth import Truth
from benchmarks.workloads import Entrant, Workload


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table.

    Attributes:
        tokens: median number of tokens of the texts.
        points: forward and backward passes of one row, per text.
        rows: rows that went forward, per text.
        errors: true completeness error, relative, per text.
        speed: times as fast as the first entrant; median over pairs of calls that followed each other.
        seconds: median of a call.
        peak_mib: peak memory of the contender's processes, up to and with this workload.
    """

    workload: Workload
    entrant: Entrant
    tokens: float
    points: tuple[int, ...]
    rows: tuple[int, ...]
    errors: tuple[float, ...]
    speed: float
    seconds: float
    peak_mib: float


def lines(
    workload: Workload, processes: Mapping[str, ContenderProcess], truth: Truth, repetitions: int
) -> Iterator[Line]:
    """Measure one workload: warm up, then let the entrants take turns."""
    entrants = workload.entrants
    for entrant in entrants:
        processes[entrant.contender].explain(workload.texts[0], entrant.accuracy)
    taken: dict[Entrant, list[Timed]] = defaultdict(list)
    for turn in range(repetitions * len(workload.texts)):
        text = workload.texts[turn % len(workload.texts)]
        for entrant in rotated(entrants, turn):
            taken[entrant].append(processes[entrant.contender].explain(text, entrant.accuracy))
    tokens = statistics.median(map(truth.tokens, workload.texts))
    for entrant in entrants:
        peak = processes[entrant.contender].peak_mib()
        yield line(workload, entrant, tokens, taken[entrant], taken[entrants[0]], peak, truth)


def line(
    workload: Workload,
    entrant: Entrant,
    tokens: float,
    timed: Sequence[Timed],
    reference: Sequence[Timed],
    peak_mib: float,
    truth: Truth,
) -> Line:
    """Sum an entrant's turns up; turn i of `reference` is what turn i of `timed` is compared with."""
    first = list(zip(workload.texts, timed, strict=False))
    return Line(
        workload=workload,
        entrant=entrant,
        tokens=tokens,
        points=tuple(each.answer.points for _, each in first),
        rows=tuple(each.answer.rows for _, each in first),
        errors=tuple(truth.error(text, each.answer) for text, each in first),
        speed=statistics.median(r.seconds / t.seconds for r, t in zip(reference, timed, strict=True)),
        seconds=statistics.median(each.seconds for each in timed),
        peak_mib=peak_mib,
    )


def rotated(entrants: Sequence[Entrant], turn: int) -> Sequence[Entrant]:
    """Each turn begins with another entrant, so that none always follows the same one."""
    shift = turn % len(entrants)
    return (*entrants[shift:], *entrants[:shift])
