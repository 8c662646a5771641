"""Take the measurements of a workload: every entrant in turn, again and again, on every question."""

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from benchmarks.contenders.process import ContenderProcess, Timed
from benchmarks.measures.told import tell
from benchmarks.models.truth import Truth
from benchmarks.workloads.workload import Entrant, Workload

# Short enough to cost next to nothing, long enough for an answer to a question.
WARMING_TEXT = "It is a good day to warm up."


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table.

    Attributes:
        tokens: median number of tokens of a row.
        points: forward and backward passes of one row, per question.
        rows: rows that went forward, per question.
        gradients: rows that went backward, once for each target, per question.
        errors: true completeness error, relative, of the worst target, per question.
        speed: times as fast as the first entrant; median over pairs of calls that followed each other.
        seconds: median of a call.
        busy_seconds: how long it was computed, per question: by the worker's clock, or the call in process.
        overhead: seconds of a call less those, median; 0 in process.
        peak_mib: peak memory of the contender's processes during this entrant's calls.
    """

    workload: Workload
    entrant: Entrant
    tokens: float
    points: tuple[int, ...]
    rows: tuple[int, ...]
    gradients: tuple[int, ...]
    errors: tuple[float, ...]
    speed: float
    seconds: float
    busy_seconds: tuple[float, ...]
    overhead: float
    peak_mib: float

    @property
    def within_1_percent(self) -> int:
        """How many questions were answered with a true error of 1 % at most."""
        return sum(error <= 0.01 for error in self.errors)


def warm_up(workload: Workload, processes: Mapping[str, ContenderProcess]) -> None:
    """Have every contender answer something small."""
    first = workload.questions[0]
    short = replace(first, text=WARMING_TEXT, labels=first.labels[:1])
    for entrant in workload.entrants:
        processes[entrant.contender].explain(short, entrant.accuracy)


def lines(
    workload: Workload,
    processes: Mapping[str, ContenderProcess],
    truth: Truth,
    repetitions: int,
    between: Callable[[], None] = lambda: None,
) -> Iterator[Line]:
    """Measure one workload: warm up, then let the entrants take turns, with `between` after each call."""
    warm_up(workload, processes)
    turns = (repetitions if workload.repeated else 1) * len(workload.questions)
    taken: dict[Entrant, list[Timed]] = defaultdict(list)
    peaks: dict[Entrant, float] = defaultdict(float)
    for turn in range(turns):
        tell(f"{workload.code}: turn {turn + 1} of {turns}")
        question = workload.questions[turn % len(workload.questions)]
        for entrant in rotated(workload.entrants, turn):
            process = processes[entrant.contender]
            process.forget_peak()
            taken[entrant].append(process.explain(question, entrant.accuracy))
            peaks[entrant] = max(peaks[entrant], process.peak_mib())
            between()
    tokens = statistics.median(map(truth.tokens, workload.questions))
    reference = taken[workload.entrants[0]]
    for entrant in workload.entrants:
        yield line(workload, entrant, tokens, taken[entrant], reference, peaks[entrant], truth)


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
    first = list(zip(workload.questions, timed, strict=False))
    return Line(
        workload=workload,
        entrant=entrant,
        tokens=tokens,
        points=tuple(each.answer.points for _, each in first),
        rows=tuple(each.answer.rows for _, each in first),
        gradients=tuple(each.answer.gradients for _, each in first),
        errors=tuple(truth.error(question, each.answer) for question, each in first),
        speed=speed(reference, timed),
        seconds=statistics.median(each.seconds for each in timed),
        busy_seconds=tuple(busy(each) for _, each in first),
        overhead=statistics.median(each.seconds - busy(each) for each in timed),
        peak_mib=peak_mib,
    )


def speed(reference: Sequence[Timed], timed: Sequence[Timed]) -> float:
    """Times as fast: the median over pairs of calls."""
    return statistics.median(r.seconds / t.seconds for r, t in zip(reference, timed, strict=True))


def busy(timed: Timed) -> float:
    """Seconds from the worker's start on the request to its end; in process all of the call's."""
    return timed.answer.engine_seconds or timed.seconds


def rotated(entrants: Sequence[Entrant], turn: int) -> Sequence[Entrant]:
    """Each turn begins with another entrant, so that none always follows the same one."""
    shift = turn % len(entrants)
    return (*entrants[shift:], *entrants[:shift])
