"""What is known of a request's cost before any of it is done."""

from collections.abc import Sequence
from dataclasses import dataclass

from ligserve.server.workers.engine.path_cost import PathCost
from ligserve.server.workers.quadrature import PointsForecast

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
        cost = _times(self.each, self.points.corrected(ratio), self.points.share)
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
        overlaps: whether windows share tokens, so that a larger stride would make fewer of them.
    """

    windows: int
    targets: int
    may_explain_less: bool
    forward: PathCost
    integrals: Sequence[Integrals]
    kind: str
    paths_known: bool = True
    overlaps: bool = False
    most_forward: PathCost | None = None

    @property
    def tolerance(self) -> float | None:
        """What decides how many points are needed; None where their number is fixed."""
        return next((each.points.tolerance for each in self.integrals), None)

    def expected(self, ratio: float, token_budget: int) -> PathCost:
        """What it costs where paths take `ratio` times the documented points."""
        return self.expected_points(ratio, token_budget) + _in_batches(self.forward, token_budget)

    def expected_points(self, ratio: float, token_budget: int) -> PathCost:
        """The same without what is run without gradients."""
        return sum((each.expected(ratio, token_budget) for each in self.integrals), start=PathCost())

    def at_most(self, token_budget: int) -> PathCost:
        """What it costs if no path reaches its tolerance."""
        costs = (each.at_most(token_budget) for each in self.integrals)
        return sum(costs, start=_in_batches(self.most_forward or self.forward, token_budget))


def of_points(rows: int, tokens: int, targets: int) -> PathCost:
    """The cost of a point on so many paths, with so many tokens in all."""
    return PathCost(
        points=rows,
        rows=rows,
        tokens=tokens,
        gradients=rows * targets,
        gradient_tokens=tokens * targets,
    )


def _times(cost: PathCost, points: float, share: float = 1.0) -> PathCost:
    """The cost of so many points, at each of which such a share of the targets is evaluated."""
    return PathCost(
        points=round(points * cost.points),
        rows=round(points * cost.rows),
        tokens=round(points * cost.tokens),
        gradients=round(share * points * cost.gradients),
        gradient_tokens=round(share * points * cost.gradient_tokens),
    )


def _in_batches(cost: PathCost, token_budget: int) -> PathCost:
    return cost + PathCost(batches=_batches(cost, token_budget))


def _batches(cost: PathCost, token_budget: int) -> int:
    """How many batches rows of a cost's mean length make."""
    if not cost.rows:
        return 0
    rows = max(1, token_budget * cost.rows // cost.tokens)
    return -(-cost.rows // rows)
