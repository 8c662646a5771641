"""All that is measured of a workload by itself: speed, matching steps, streams."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from benchmarks.measures.match import Match, matched
from benchmarks.measures.run import Run, contenders
from benchmarks.measures.speed import Line, lines
from benchmarks.measures.streams import StreamLine, streamed
from benchmarks.measures.told import tell
from benchmarks.models.truth import Truth
from benchmarks.workloads.questions import Kind
from benchmarks.workloads.workload import LIGSERVE, Workload


@dataclass(slots=True)
class Measured:
    """What was found, workload by workload."""

    lines: list[Line] = field(default_factory=list)
    matches: list[Match] = field(default_factory=list)
    streams: list[StreamLine] = field(default_factory=list)


def measure(run: Run, workloads: Iterable[Workload], device: str = "cpu") -> Measured:
    """Measure workloads, those of one kind with the same processes.

    Raises:
        BenchmarkError: a contender failed.
    """
    measured = Measured()
    for kind, alike in groupby(workloads, lambda workload: workload.kind):
        _measure_kind(run, kind, list(alike), device, measured)
    return measured


def _measure_kind(
    run: Run, kind: Kind, workloads: Sequence[Workload], device: str, measured: Measured
) -> None:
    setting = run.setting(kind, device)
    truth = Truth(kind, setting.model)
    names = [entrant.contender for workload in workloads for entrant in workload.entrants]
    with contenders(names, setting) as processes:
        for workload in workloads:
            tell(f"{workload.code} {workload.name}")
            chosen = replace(workload, questions=workload.questions[: run.texts])
            found = list(lines(chosen, processes, truth, run.repetitions))
            measured.lines += found
            measured.streams.append(streamed(chosen, processes[LIGSERVE], found))
            if chosen.matched:
                measured.matches.append(matched(chosen, processes, truth, found))
