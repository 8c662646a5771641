"""What is told when the work is done: what was reached, and what it cost."""

import math
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.metadata import version

from google.protobuf.duration_pb2 import Duration

from ligserve.server.workers.engine.path import Path
from ligserve.server.workers.engine.path_cost import PathCost
from ligserve.server.workers.explainers import Explained, Plan
from ligserve.server.workers.identity import WorkerIdentity
from ligserve.server.workers.jobs.summary_warnings import summary_warnings
from ligserve.server.workers.models.precision import precision_name
from ligserve.server.workers.quadrature import PathEstimate
from ligserve.v1 import explanation_service_pb2 as pb


def summary_of(
    plan: Plan,
    explained: Sequence[Explained],
    targets: Sequence[pb.TargetSummary],
    costs: Sequence[PathCost],
    worker: WorkerIdentity,
    seconds: float,
) -> pb.Summary:
    """The summary of targets whose own summaries are known; `seconds` since the worker took the request."""
    precision = plan.paths[0].spec.precision
    return pb.Summary(
        targets=targets,
        cost=_cost(costs, seconds),
        worker=pb.WorkerInfo(
            id=worker.worker_id,
            device=worker.device,
            dtype=precision_name(precision),
        ),
        versions=_versions(),
        warnings=summary_warnings(explained, targets, precision),
    )


def _cost(costs: Sequence[PathCost], seconds: float) -> pb.Cost:
    compute_time = Duration()
    compute_time.FromNanoseconds(round(seconds * 1e9))
    return pb.Cost(
        points=sum(cost.points for cost in costs),
        rows=sum(cost.rows for cost in costs),
        tokens=sum(cost.tokens for cost in costs),
        batches=sum(cost.batches for cost in costs),
        gradients=sum(cost.gradients for cost in costs),
        reused_points=sum(cost.reused for cost in costs),
        token_passes=sum(cost.token_passes for cost in costs),
        compute_time=compute_time,
    )


def target_summaries(
    estimate: PathEstimate, targets: Sequence[int], reasons: Sequence["pb.StopReason.ValueType"]
) -> Iterator[pb.TargetSummary]:
    """What was reached for each target, and why the work on it ended."""
    deltas = estimate.convergence_delta
    for row, (target, reason) in enumerate(zip(targets, reasons, strict=True)):
        summary = pb.TargetSummary(
            target=target,
            f_input=float(estimate.f_input[row]),
            f_baseline=float(estimate.f_baseline[row]),
            score_sum=float(estimate.scores[row].sum()),
            stop_reason=reason,
            points=int(estimate.points[row]),
        )
        if not math.isnan(estimate.error_bound[row]):
            summary.convergence_delta = float(deltas[row])
            summary.error_bound = float(estimate.error_bound[row])
        if estimate.score_error_sum is not None:
            summary.score_error_sum = float(estimate.score_error_sum[row])
        yield summary


def stop_reasons(path: Path) -> list["pb.StopReason.ValueType"]:
    """Why the work on each target of a finished path ended."""
    went_on = pb.STOP_REASON_UNSPECIFIED
    return [pb.STOP_REASON_DEADLINE if reason == went_on else reason for reason in path.rule.stop_reasons()]


@cache
def _versions() -> dict[str, str]:
    return {name: version(name) for name in ("ligserve", "torch", "transformers")}
