"""What a request will cost, counted from its plan before any of it is done."""

from collections.abc import Sequence

from ligserve.server.workers.costs.document_forecast import of_document
from ligserve.server.workers.costs.forecast import Forecast, Integrals, of_points
from ligserve.server.workers.engine.path_cost import PathCost
from ligserve.server.workers.engine.self_prediction import predicts_itself
from ligserve.server.workers.explainers import PathPlan, Plan
from ligserve.server.workers.explainers.plans.plan import NoisyCopies
from ligserve.server.workers.models.loaded import TextModel
from ligserve.server.workers.quadrature import FixedRule
from ligserve.v1 import explanation_pb2 as pb


def forecast(plan: Plan, *, keeps_points: bool) -> Forecast:
    """Count what a plan asks for, as if no point were known from an earlier request.

    Args:
        plan: the plan.
        keeps_points: whether points are kept, and so evaluated for all that may be asked later.
    """
    if plan.document is not None:
        return of_document(plan, plan.document, keeps_points=keeps_points)
    if plan.copies is not None:
        return _of_copies(plan, plan.paths[0], plan.copies)
    return Forecast(
        windows=len(plan.paths),
        targets=sum(path.most_targets for path in plan.paths if path.tells_targets),
        may_explain_less=plan.may_explain_less,
        forward=_forward(plan.paths),
        integrals=[_integrals(path, keeps_points) for path in plan.paths if path.most_targets],
        kind="paths" if isinstance(plan.model, TextModel) else "images",
    )


def _forward(paths: Sequence[PathPlan]) -> PathCost:
    """The prediction where no batch of points tells it; both ends too where points are coarser."""
    first = paths[0]
    if len(paths) == 1 and predicts_itself(first.spec, first.rule, first.most_targets, first.basis):
        return PathCost()
    rows = [1 if path.spec.precision == pb.PRECISION_FLOAT32 else 3 for path in paths]
    tokens = sum(count * path.spec.tokens for count, path in zip(rows, paths, strict=True))
    return PathCost(rows=sum(rows), tokens=tokens)


def _integrals(path: PathPlan, keeps_points: bool) -> Integrals:
    backward = len(path.outputs) or path.most_targets
    if keeps_points and path.spec.tells_others:
        backward = len(path.basis) or backward
    each = of_points(1, path.spec.tokens, backward)
    return Integrals(path.rule.forecast(path.most_targets), each, each)


def _of_copies(plan: Plan, image: PathPlan, copies: NoisyCopies) -> Forecast:
    """A fixed rule is told the outputs at the ends of the copies' paths, from forward passes alone."""
    knows_ends, tokens = isinstance(image.rule, FixedRule), image.spec.tokens
    points = image.rule.forecast(image.most_targets).without(2 if knows_ends else 0)
    rows = 2 + copies.samples if knows_ends else 1
    each = of_points(copies.samples, copies.samples * tokens, image.most_targets)
    return Forecast(
        windows=1,
        targets=image.most_targets,
        may_explain_less=plan.may_explain_less,
        forward=PathCost(rows=rows, tokens=rows * tokens),
        integrals=[Integrals(points, each, each)],
        kind="copies",
    )
