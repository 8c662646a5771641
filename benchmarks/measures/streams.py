"""When the first estimate of a stream is there."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.contenders.process import ContenderProcess
from benchmarks.contenders.served import Stream
from benchmarks.measures.speed import Line
from benchmarks.workloads.workload import LIBRARY, LIGSERVE, STANDARD, Workload

# Streams of a workload; a few say enough.
MOST_STREAMS = 5


@dataclass(frozen=True, slots=True)
class StreamLine:
    """A workload's streams at 1 %; medians, in seconds.

    Attributes:
        header: until the header: the tokens and the prediction.
        preview: until scores of the first target, where a preview was asked for: after one point.
        first_estimate: the same without, after the first round.
        end: until the summary.
        library: until the library's answer, in the same run.
        overhead: of a unary call, what the worker's clock does not account for.
    """

    workload: Workload
    header: float
    preview: float
    first_estimate: float
    end: float
    library: float
    overhead: float


def streamed(workload: Workload, process: ContenderProcess, lines: Sequence[Line]) -> StreamLine:
    """Ask for streams, one after the other; `lines` tell of the library, and of unary calls."""
    questions = workload.questions[:MOST_STREAMS]
    streams: list[Stream] = [process.ask("stream", question, STANDARD)[1] for question in questions]
    previews: list[Stream] = [process.ask("preview", question, STANDARD)[1] for question in questions]
    (library,) = (line for line in lines if line.entrant.contender == LIBRARY)
    unary = next(line for line in lines if line.entrant.contender == LIGSERVE)
    return StreamLine(
        workload=workload,
        header=statistics.median(each.header for each in streams),
        preview=statistics.median(each.first_estimate for each in previews),
        first_estimate=statistics.median(each.first_estimate for each in streams),
        end=statistics.median(each.end for each in streams),
        library=library.seconds,
        overhead=unary.overhead,
    )
