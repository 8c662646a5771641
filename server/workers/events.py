"""Events of an explanation, from plans, estimates and costs."""

from collections.abc import Iterator, Sequence
from functools import cache
from importlib.metadata import version

from google.protobuf.duration_pb2 import Duration
from torch import Tensor

from ligserve.server.workers.engine.outputs import ClassOutput
from ligserve.server.workers.engine.path import Path
from ligserve.server.workers.explainers import Plan
from ligserve.server.workers.identity import WorkerIdentity
from ligserve.server.workers.quadrature import QuadratureRule
from ligserve.v1 import explanation_pb2
from ligserve.v1 import explanation_service_pb2 as pb

MAX_TOKENS_PER_MESSAGE = 256
# A baseline that the model already judges as the explained class leaves little to explain.
NEUTRAL_PROBABILITY = 0.8


def header(request_id: str, plan: Plan, outputs: Sequence[ClassOutput], logits: Tensor) -> pb.Header:
    """What is known before the first gradient; logits of the input are (C,)."""
    return pb.Header(
        request_id=request_id,
        model=plan.model.name,
        revision=plan.model.revision,
        convention=plan.convention,
        prediction=plan.prediction(logits),
        windows=[pb.Window(index=0, tokens=plan.tokens)],
        targets=[plan.described(output) for output in outputs],
        warnings=plan.warnings,
    )


def estimates(rule: QuadratureRule, *, final: bool) -> Iterator[pb.Estimate]:
    """The rule's estimate, cut into messages; nothing before the first closed round."""
    estimate = rule.estimate()
    if estimate is None:
        return
    for target, scores in enumerate(estimate.scores):
        errors = None if estimate.score_errors is None else estimate.score_errors[target]
        for first in range(0, len(scores), MAX_TOKENS_PER_MESSAGE):
            part = slice(first, first + MAX_TOKENS_PER_MESSAGE)
            yield pb.Estimate(
                target=target,
                window=0,
                first_token=first,
                scores=scores[part].tolist(),
                score_errors=[] if errors is None else errors[part].tolist(),
                error_bound=float(estimate.error_bound[target]),
                points=estimate.points,
                round=estimate.round,
                final=final,
            )


def summary(
    plan: Plan, path: Path, outputs: Sequence[ClassOutput], worker: WorkerIdentity, seconds: float
) -> pb.Summary:
    """What was reached and what it cost; `seconds` since the worker took the request."""
    compute_time = Duration()
    compute_time.FromNanoseconds(round(seconds * 1e9))
    cost = path.cost
    targets = _target_summaries(path)
    return pb.Summary(
        targets=targets,
        cost=pb.Cost(
            points=cost.points,
            rows=cost.rows,
            tokens=cost.tokens,
            batches=cost.batches,
            compute_time=compute_time,
        ),
        worker=pb.WorkerInfo(
            id=worker.worker_id,
            device=worker.device,
            dtype=str(plan.model.network.dtype).removeprefix("torch."),
        ),
        versions=_versions(),
        warnings=_baseline_warnings(plan, outputs, targets),
    )


def _target_summaries(path: Path) -> list[pb.TargetSummary]:
    estimate = path.rule.estimate()
    if estimate is None:
        raise RuntimeError("a path finished without an estimate")
    reasons = path.rule.stop_reasons()
    summaries = []
    for target, reason in enumerate(reasons):
        cut = path.cut_by_deadline and reason != pb.STOP_REASON_TOLERANCE
        summary = pb.TargetSummary(
            target=target,
            f_input=float(estimate.f_input[target]),
            f_baseline=float(estimate.f_baseline[target]),
            score_sum=float(estimate.scores[target].sum()),
            convergence_delta=float(estimate.convergence_delta[target]),
            error_bound=float(estimate.error_bound[target]),
            stop_reason=pb.STOP_REASON_DEADLINE if cut else reason,
            points=estimate.points,
        )
        if estimate.score_errors is not None:
            summary.score_error_sum = float(estimate.score_errors[target].sum())
        summaries.append(summary)
    return summaries


def _baseline_warnings(
    plan: Plan, outputs: Sequence[ClassOutput], targets: Sequence[pb.TargetSummary]
) -> list[pb.Warning]:
    """One for each target whose baseline is already judged as the class that is explained."""
    warnings = []
    for output, target in zip(outputs, targets, strict=True):
        probability = output.space == explanation_pb2.OUTPUT_SPACE_PROBABILITY and output.versus_index is None
        if probability and target.f_baseline > NEUTRAL_PROBABILITY:
            label = plan.described(output).class_label
            message = (
                f"the baseline alone has probability {target.f_baseline:.2f} for {label}; "
                "scores explain only the rest, another baseline may say more"
            )
            warnings.append(pb.Warning(code="BASELINE_NOT_NEUTRAL", message=message))
    return warnings


@cache
def _versions() -> dict[str, str]:
    return {name: version(name) for name in ("ligserve", "torch", "transformers")}
