"""Events of an explanation, from plans, estimates and costs."""

import math
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.metadata import version

import numpy as np
from google.protobuf.duration_pb2 import Duration

from ligserve.server.large_messages import merge_header
from ligserve.server.workers.engine.path import Path
from ligserve.server.workers.engine.path_cost import PathCost
from ligserve.server.workers.explainers import Explained, Plan
from ligserve.server.workers.identity import WorkerIdentity
from ligserve.server.workers.jobs.part import Part
from ligserve.server.workers.jobs.summary_warnings import summary_warnings
from ligserve.server.workers.models.precision import precision_name
from ligserve.server.workers.quadrature import NodeValue, PathEstimate, whole_estimate
from ligserve.v1 import explanation_service_pb2 as pb

MAX_TOKENS_PER_MESSAGE = 256
# An image has a hundred thousand and more; 128 KiB a message.
MAX_PIXELS_PER_MESSAGE = 16384


def header(request_id: str, plan: Plan, parts: Sequence[Part]) -> pb.Header:
    """What is known before the first gradient, once every part is predicted."""
    header = pb.Header(
        request_id=request_id,
        model=plan.model.name,
        revision=plan.model.revision,
        convention=plan.convention,
        windows=[_window(part) for part in parts],
        window_count=len(parts),
        targets=[each.target for each in _explained(parts)],
        warnings=plan.warnings,
    )
    merge_header(header, plan.outcome([part.logits for part in parts if part.logits is not None]))
    return header


def _explained(parts: Sequence[Part]) -> list[Explained]:
    """Every target once."""
    return [each for part in parts if part.plan.tells_targets for each in part.explained]


def _window(part: Part) -> pb.Window:
    window = pb.Window(index=part.window, tokens=part.plan.tokens)
    if part.plan.hypothesis:
        window.hypothesis = part.plan.hypothesis
    return window


def estimates(part: Part) -> Iterator[pb.Estimate]:
    """The part's estimate, cut into messages; nothing before the first closed round."""
    estimate = part.path.rule.estimate()
    return iter(()) if estimate is None else estimates_of(estimate, part, final=part.finished_already)


def previews(part: Part, value: NodeValue) -> Iterator[pb.Estimate]:
    """Gradient x (input - baseline) at the input, for each of a part's targets, cut into messages."""
    first_order = PathEstimate(
        scores=np.asarray(value.token_sums, dtype=np.float64),
        score_errors=None,
        score_error_sum=None,
        error_bound=np.full_like(value.f, np.nan),
        f_input=value.f,
        f_baseline=np.full_like(value.f, np.nan),
        points=np.ones(len(value.f), dtype=np.int64),
        round=0,
    )
    for estimate in estimates_of(first_order, part, final=False):
        estimate.preview = True
        yield estimate


def estimates_of(estimate: PathEstimate, part: Part, *, final: bool) -> Iterator[pb.Estimate]:
    """An estimate of a part's targets, cut into messages."""
    share, size = part.share, MAX_TOKENS_PER_MESSAGE if part.plan.tokens.ids else MAX_PIXELS_PER_MESSAGE
    for row, target in enumerate(part.targets):
        scores = share * estimate.scores[row]
        errors = None if estimate.score_errors is None else share * estimate.score_errors[row]
        bound = share * float(estimate.error_bound[row])
        for first in range(0, len(scores), size):
            piece = slice(first, first + size)
            yield pb.Estimate(
                target=target,
                window=part.window,
                first_token=first,
                scores=scores[piece].tolist(),
                score_errors=[] if errors is None else errors[piece].tolist(),
                error_bound=None if math.isnan(bound) else bound,
                points=int(estimate.points[row]),
                round=estimate.round,
                final=final,
            )


def summary(plan: Plan, parts: Sequence[Part], worker: WorkerIdentity, seconds: float) -> pb.Summary:
    """What was reached and what it cost; `seconds` since the worker took the request."""
    targets = [target for part in parts if part.plan.tells_targets for target in _target_summaries(part)]
    costs = [part.path.cost for part in parts]
    return summary_of(plan, _explained(parts), targets, costs, worker, seconds)


def summary_of(
    plan: Plan,
    explained: Sequence[Explained],
    targets: Sequence[pb.TargetSummary],
    costs: Sequence[PathCost],
    worker: WorkerIdentity,
    seconds: float,
) -> pb.Summary:
    """The summary of targets whose own summaries are known."""
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


def _target_summaries(part: Part) -> Iterator[pb.TargetSummary]:
    if not part.explained:
        return iter(())
    estimate = whole_estimate(part.path.rule)
    if estimate is None:
        raise RuntimeError("a path finished without an estimate")
    return target_summaries(estimate, part.targets, stop_reasons(part.path))


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
