"""What a request will cost, counted from its plan before any of it is done."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ligserve.server.workers.engine.path_cost import PathCost
from ligserve.server.workers.explainers import PathPlan, Plan
from ligserve.server.workers.explainers.plans.plan import DocumentPlan, NoisyCopies
from ligserve.server.workers.models.loaded import TextModel
from ligserve.server.workers.quadrature import FixedRule, PointsForecast
from ligserve.v1 import explanation_pb2 as pb

# An adaptive path is integrated in about so many rounds, each a batch at least (docs/quadrature.md).
ROUNDS = 2


@dataclass(frozen=True, slots=True)
class Integrals:
    """Paths that are integrated alike.

    Attributes:
        points: of each of them.
        each: what one point on every path costs.
        most: the same at most, where it is not known which paths they are.
    """

    points: PointsForecast
    each: PathCost
    most: PathCost

    def expected(self, ratio: float, token_budget: int) -> PathCost:
        """The cost where paths take `ratio` times the documented points."""
        cost = _times(self.each, self.points.corrected(ratio))
        rounds = 1 if self.points.tolerance is None else ROUNDS
        cost.batches = max(rounds, _batches(cost, token_budget))
        return cost

    def at_most(self, token_budget: int) -> PathCost:
        """The cost if no path reaches its tolerance."""
        cost = _times(self.most, self.points.most)
        cost.batches = _batches(cost, token_budget)
        return cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What is known of a request's cost.

    Attributes:
        windows: how many windows the answer has.
        targets: how many targets it has.
        may_explain_less: whether it may have fewer targets.
        forward: what is expected to be run without gradients.
        most_forward: the same at most; None: it is known.
        integrals: what is run with them.
        kind: what the paths are; those of one kind take about as many points.
        paths_known: whether it is known how many paths there are.
    """

    windows: int
    targets: int
    may_explain_less: bool
    forward: PathCost
    integrals: Sequence[Integrals]
    kind: str
    paths_known: bool = True
    most_forward: PathCost | None = None

    @property
    def tolerance(self) -> float | None:
        """What decides how many points are needed; None where their number is fixed."""
        return next((each.points.tolerance for each in self.integrals), None)

    def expected(self, ratio: float, token_budget: int) -> PathCost:
        """What it costs where paths take `ratio` times the documented points."""
        costs = (each.expected(ratio, token_budget) for each in self.integrals)
        return sum(costs, start=_in_batches(self.forward, token_budget))

    def at_most(self, token_budget: int) -> PathCost:
        """What it costs if no path reaches its tolerance."""
        costs = (each.at_most(token_budget) for each in self.integrals)
        return sum(costs, start=_in_batches(self.most_forward or self.forward, token_budget))


def forecast(plan: Plan, *, keeps_points: bool) -> Forecast:
    """Count what a plan asks for, as if no point were known from an earlier request.

    Args:
        plan: the plan.
        keeps_points: whether points are kept, and so evaluated for all that may be asked later.
    """
    if plan.document is not None:
        return _of_document(plan, plan.document)
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
    """The prediction; and both ends once more where the points are of another arithmetic."""
    rows = [1 if path.spec.precision == pb.PRECISION_FLOAT32 else 3 for path in paths]
    tokens = sum(count * path.spec.tokens for count, path in zip(rows, paths, strict=True))
    return PathCost(rows=sum(rows), tokens=tokens)


def _integrals(path: PathPlan, keeps_points: bool) -> Integrals:
    backward = len(path.outputs) or path.most_targets
    if path.basis and keeps_points and path.spec.identity is not None:
        backward = len(path.basis)
    each = _each(1, path.spec.tokens, backward)
    return Integrals(path.rule.forecast(path.most_targets), each, each)


def _of_copies(plan: Plan, image: PathPlan, copies: NoisyCopies) -> Forecast:
    """A fixed rule is told the outputs at the ends of the copies' paths, from forward passes alone."""
    knows_ends, tokens = isinstance(image.rule, FixedRule), image.spec.tokens
    points = image.rule.forecast(image.most_targets).without(2 if knows_ends else 0)
    rows = 2 + copies.samples if knows_ends else 1
    each = _each(copies.samples, copies.samples * tokens, image.most_targets)
    return Forecast(
        windows=1,
        targets=image.most_targets,
        may_explain_less=plan.may_explain_less,
        forward=PathCost(rows=rows, tokens=rows * tokens),
        integrals=[Integrals(points, each, each)],
        kind="copies",
    )


def _of_document(plan: Plan, document: DocumentPlan) -> Forecast:
    """Forward passes over windows, and integrals over those that a target is about."""
    first = plan.paths[0]
    counts = np.array(document.token_counts, dtype=np.int64)
    lengths = counts + _beside(plan, document)
    # Where the path ends in other inputs than the prediction's, they are a pass of their own.
    ends = 1 if first.spec.prediction_row is first.spec.row else 2
    ends += 0 if first.spec.precision == pb.PRECISION_FLOAT32 else 2
    everywhere, winners = _rows(lengths.tolist()), _rows(_longest(document, lengths))
    usual = _rows([round(lengths.mean())] * document.winners)
    if document.ends_of is None:
        usual = winners = everywhere
    return Forecast(
        windows=len(lengths),
        targets=document.targets,
        may_explain_less=plan.may_explain_less,
        forward=sum([usual] * ends, start=everywhere),
        most_forward=sum([winners] * ends, start=everywhere),
        integrals=[_of_windows(document, lengths)] if document.targets else [],
        kind="windows",
        paths_known=document.targets_in is not None or document.winners == 1,
    )


def _beside(plan: Plan, document: DocumentPlan) -> NDArray[np.int64]:
    """(W,), tokens of each row that are not of the long text; those of labels on one part of it differ."""
    starts = np.array(document.first_tokens)
    together = int((starts == starts[0]).sum())
    own = [plan.paths[n].spec.tokens - document.token_counts[n] for n in range(together)]
    return np.resize(np.array(own, dtype=np.int64), len(starts))


def _longest(document: DocumentPlan, lengths: NDArray[np.int64]) -> list[int]:
    """As many of the longest windows as can be explained where only the logits tell which."""
    longest: list[int] = np.sort(lengths)[::-1][: document.winners].tolist()
    return longest


def _rows(lengths: Sequence[int]) -> PathCost:
    """A forward pass over rows of so many tokens."""
    return PathCost(rows=len(lengths), tokens=sum(lengths))


def _of_windows(document: DocumentPlan, lengths: NDArray[np.int64]) -> Integrals:
    """Integrals over windows of so many tokens."""
    if document.targets_in is None:
        return _of_winners(document, lengths)
    targets = np.array(document.targets_in, dtype=np.int64)
    about = targets > 0
    each = PathCost(
        points=int(about.sum()),
        rows=int(about.sum()),
        tokens=int(lengths[about].sum()),
        gradients=int(targets.sum()),
        gradient_tokens=int((targets * lengths).sum()),
    )
    return Integrals(_points(document, int(targets.max())), each, each)


def _of_winners(document: DocumentPlan, lengths: NDArray[np.int64]) -> Integrals:
    """Every target is about one of few windows, and only the logits tell which."""
    targets, longest, mean = document.targets, _longest(document, lengths), round(lengths.mean())
    each = _each(document.winners, document.winners * mean, 1)
    each.gradients, each.gradient_tokens = targets, targets * mean
    most = _each(document.winners, sum(longest), 1)
    most.gradients, most.gradient_tokens = targets, targets * longest[0]
    return Integrals(_points(document, targets), each, most)


def _points(document: DocumentPlan, targets: int) -> PointsForecast:
    return document.rule(np.zeros(targets)).forecast(targets)


def _each(rows: int, tokens: int, targets: int) -> PathCost:
    """The cost of a point on so many paths, with so many tokens in all."""
    return PathCost(
        points=rows,
        rows=rows,
        tokens=tokens,
        gradients=rows * targets,
        gradient_tokens=tokens * targets,
    )


def _times(cost: PathCost, points: float) -> PathCost:
    return PathCost(
        points=round(points * cost.points),
        rows=round(points * cost.rows),
        tokens=round(points * cost.tokens),
        gradients=round(points * cost.gradients),
        gradient_tokens=round(points * cost.gradient_tokens),
    )


def _in_batches(cost: PathCost, token_budget: int) -> PathCost:
    return cost + PathCost(batches=_batches(cost, token_budget))


def _batches(cost: PathCost, token_budget: int) -> int:
    """How many batches rows of a cost's mean length make."""
    if not cost.rows:
        return 0
    rows = max(1, token_budget * cost.rows // cost.tokens)
    return -(-cost.rows // rows)
