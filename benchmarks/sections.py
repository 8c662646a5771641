"""The parts of a run, by the codes that --only takes."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch

from benchmarks.measures.base_shape import BaseShape, measure_base_shape
from benchmarks.measures.growth import Growth, measure_growth
from benchmarks.measures.load import LoadLine, WorkersLine, mixed_load, workers_compared
from benchmarks.measures.run import Run
from benchmarks.measures.workload import Measured, measure
from benchmarks.workloads.workload import BASE_WORKLOAD, WORKLOADS

LOAD, WORKERS, DEVICE, GROWTH = "W8", "W9", "W10", "GROWTH"
CODES = (*(workload.code for workload in WORKLOADS), LOAD, WORKERS, DEVICE, BASE_WORKLOAD.code, GROWTH)


@dataclass(slots=True)
class Results:
    """What a run found; what was not asked for is empty.

    Attributes:
        workloads: W1 to W6.
        on_device: the same on another device, W10.
        no_device: why there is none.
        load: W8.
        workers: W9.
        base: BERT-base's shape.
        growth: with tokens, targets and clients.
    """

    workloads: Measured = field(default_factory=Measured)
    on_device: Measured = field(default_factory=Measured)
    no_device: str = ""
    load: list[LoadLine] = field(default_factory=list)
    workers: list[WorkersLine] = field(default_factory=list)
    base: BaseShape | None = None
    growth: Growth | None = None


def measure_all(run: Run, codes: Sequence[str]) -> Results:
    """Measure what was asked for.

    Raises:
        BenchmarkError: a contender failed.
    """
    results = Results()
    results.workloads = measure(run, [workload for workload in WORKLOADS if workload.code in codes])
    if LOAD in codes:
        results.load = mixed_load(run)
    if WORKERS in codes:
        results.workers = workers_compared(run)
    if BASE_WORKLOAD.code in codes:
        results.base = measure_base_shape(run)
    if GROWTH in codes:
        results.growth = measure_growth(run)
    if DEVICE in codes:
        _measure_on_device(run, results)
    return results


def _measure_on_device(run: Run, results: Results) -> None:
    """W10: all workloads again, where there is such a device; "cpu" tries the way there."""
    if run.device.startswith("cuda") and not torch.cuda.is_available():
        results.no_device = f"{DEVICE}, the same on {run.device}: not run, this machine has no such device."
        return
    again = [replace(workload, code=f"{DEVICE} {workload.code}") for workload in WORKLOADS]
    results.on_device = measure(run, again, run.device)
