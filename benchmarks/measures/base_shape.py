"""BERT-base's shape: speed, and how much of the machine's matrix-product rate the engine reaches."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from benchmarks.contenders.setting import Setting
from benchmarks.measures.run import Run, contenders
from benchmarks.measures.speed import Line, lines
from benchmarks.measures.told import tell
from benchmarks.models.base_shape import row_operations, write_base_model
from benchmarks.models.truth import Truth
from benchmarks.workloads.questions import Kind
from benchmarks.workloads.workload import BASE_WORKLOAD

# Large enough that a product of two such matrices runs at the machine's full rate.
SIDE = 2048
PRODUCTS = 10


@dataclass(frozen=True, slots=True)
class BaseShape:
    """What was found.

    Attributes:
        lines: as of any workload.
        rate: operations a second of products of large matrices in float32, by as many threads.
        shares: for each line that of the rate which its rows reached while they were computed; backward
            passes counted to the embeddings.
    """

    lines: list[Line]
    rate: float
    shares: list[float]


def measure_base_shape(run: Run) -> BaseShape:
    """Measure the workload, with products of matrices before and after each call.

    Raises:
        BenchmarkError: a contender failed.
    """
    setting = Setting(Kind.TEXT, write_base_model(run.encoder, run.scratch), run.threads)
    truth = Truth(Kind.TEXT, setting.model)
    workload = replace(BASE_WORKLOAD, questions=BASE_WORKLOAD.questions[: run.texts])
    names = [entrant.contender for entrant in workload.entrants]
    torch.set_num_threads(run.threads)
    rates = product_rates()
    with contenders(names, setting) as processes:
        tell(f"{workload.code} {workload.name}")
        found = list(lines(workload, processes, truth, 1, between=lambda: rates.extend(product_rates())))
    rate = statistics.median(rates)
    tokens = [truth.tokens(question) for question in workload.questions]
    return BaseShape(found, rate, [share(line, tokens, rate) for line in found])


def product_rates() -> list[float]:
    """Operations a second of each of some products, by as many threads as torch has here."""
    left, right = torch.rand(2, SIDE, SIDE)
    torch.mm(left, right)
    rates = []
    for _ in range(PRODUCTS):
        began = time.perf_counter()
        torch.mm(left, right)
        rates.append(2 * SIDE**3 / (time.perf_counter() - began))
    return rates


def share(line: Line, tokens: Sequence[int], rate: float) -> float:
    """Operations that a line's rows needed, by those that products of matrices do in its time."""
    shares = []
    for length, rows, gradients, seconds in zip(
        tokens, line.rows, line.gradients, line.busy_seconds, strict=True
    ):
        forward, backward = row_operations(length)
        shares.append((rows * forward + gradients * backward) / (seconds * rate))
    return statistics.median(shares)
