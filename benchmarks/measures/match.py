"""How many steps the library needs to be as exact as a tolerance of 1 %."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.contenders.process import ContenderProcess, Timed
from benchmarks.measures.speed import Line, speed
from benchmarks.measures.told import tell
from benchmarks.models.truth import Truth
from benchmarks.reports.table import p90
from benchmarks.workloads.questions import Accuracy, Question
from benchmarks.workloads.workload import LIBRARY, LIGSERVE, STANDARD, STEPS, Entrant, Workload

# After its own 50 they are doubled.
MOST_STEPS = 1600


@dataclass(frozen=True, slots=True)
class Match:
    """The library with the first number of steps, of 50, 100, 200..., whose error is not above ours.

    Attributes:
        steps: that number, or the last one tried.
        reached: whether its error is not above ours.
        library_error: p90 of the library's true errors over the questions.
        our_error: p90 of ours at 1 %.
        speed: times as fast as that library we are; median over pairs of calls that followed each other.
    """

    workload: Workload
    steps: int
    reached: bool
    library_error: float
    our_error: float
    speed: float


def matched(
    workload: Workload, processes: Mapping[str, ContenderProcess], truth: Truth, lines: Sequence[Line]
) -> Match:
    """Ask both, question after question, with ever more steps; `lines` tell of 50."""
    by_entrant = {line.entrant: line for line in lines}
    first, ours = by_entrant[Entrant(LIBRARY, STEPS)], by_entrant[Entrant(LIGSERVE, STANDARD)]
    steps, library_error, our_error = 50, p90(first.errors), p90(ours.errors)
    found = Match(workload, steps, library_error <= our_error, library_error, our_error, ours.speed)
    while not found.reached and steps < MOST_STEPS:
        steps *= 2
        tell(f"{workload.code}: the library with {steps} steps")
        pairs = [_pair(processes, question, Accuracy(steps=steps)) for question in workload.questions]
        library, mine = zip(*pairs, strict=True)
        library_error, our_error = (_p90(truth, workload, timed) for timed in (library, mine))
        reached = library_error <= our_error
        found = Match(workload, steps, reached, library_error, our_error, speed(library, mine))
    return found


def _p90(truth: Truth, workload: Workload, timed: Sequence[Timed]) -> float:
    return p90([truth.error(q, each.answer) for q, each in zip(workload.questions, timed, strict=True)])


def _pair(
    processes: Mapping[str, ContenderProcess], question: Question, accuracy: Accuracy
) -> tuple[Timed, Timed]:
    return processes[LIBRARY].explain(question, accuracy), processes[LIGSERVE].explain(question, STANDARD)
