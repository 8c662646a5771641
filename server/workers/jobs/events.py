"""What the front hears of parts: the header, estimates, and what each target came to."""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from ligserve.server.large_messages import merge_header
from ligserve.server.workers.explainers import Explained
from ligserve.server.workers.jobs.assignment import Assignment
from ligserve.server.workers.jobs.part import Part
from ligserve.server.workers.jobs.summary import stop_reasons, target_summaries
from ligserve.server.workers.quadrature import NodeValue, PathEstimate, whole_estimate
from ligserve.v1 import explanation_service_pb2 as pb

MAX_TOKENS_PER_MESSAGE = 256
# An image has a hundred thousand and more; 128 KiB a message.
MAX_PIXELS_PER_MESSAGE = 16384


def header(assignment: Assignment, parts: Sequence[Part]) -> pb.Header:
    """What is known before the first gradient, once every part is predicted."""
    plan = assignment.plan
    header = pb.Header(
        request_id=assignment.run.request_id,
        model=plan.model.name,
        revision=plan.model.revision,
        convention=plan.convention,
        windows=[_window(part) for part in parts],
        window_count=len(parts),
        targets=[each.target for each in explained(parts)],
        warnings=plan.warnings,
    )
    merge_header(header, plan.outcome([part.logits for part in parts if part.logits is not None]))
    return header


def explained(parts: Sequence[Part]) -> list[Explained]:
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


def summaries(parts: Sequence[Part]) -> list[pb.TargetSummary]:
    """What was reached for every target, once all parts are finished."""
    return [reached for part in parts if part.plan.tells_targets for reached in _of_finished(part)]


def _of_finished(part: Part) -> Iterator[pb.TargetSummary]:
    if not part.explained:
        return iter(())
    estimate = whole_estimate(part.path.rule)
    if estimate is None:
        raise RuntimeError("a path finished without an estimate")
    return target_summaries(estimate, part.targets, stop_reasons(part.path))
