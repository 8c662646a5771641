"""Rules whose nodes are fixed beforehand."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from ligserve.server.workers.quadrature.forecast import PointsForecast, fixed_points
from ligserve.server.workers.quadrature.rule import EndValue, Floats, NodeValue, PathEstimate
from ligserve.v1 import explanation_service_pb2 as pb

# From the usual first guess, Newton is exact to rounding after 4 steps for every n up to thousands.
NEWTON_STEPS = 6


@lru_cache(maxsize=64)
def gauss_legendre(n_steps: int) -> tuple[Floats, Floats]:
    """Nodes and weights of Gauss-Legendre on [0, 1], each (n_steps,); captum's default rule.

    Newton's method on the three-term recurrence: O(n^2), where numpy's eigenvalues take seconds for
    thousands of nodes.
    """
    x = np.cos(np.pi * (np.arange(n_steps, 0, -1) - 0.25) / (n_steps + 0.5))
    for _ in range(NEWTON_STEPS):
        value, slope = _legendre(n_steps, x)
        x = x - value / slope
    _, slope = _legendre(n_steps, x)
    return 0.5 * (1.0 + x), 1.0 / ((1.0 - x * x) * slope * slope)


def _legendre(degree: int, x: Floats) -> tuple[Floats, Floats]:
    """The Legendre polynomial and its derivative inside (-1, 1), each of x's shape."""
    before, value = np.ones_like(x), x
    for k in range(2, degree + 1):
        before, value = value, ((2 * k - 1) * x * value - (k - 1) * before) / k
    return value, degree * (x * value - before) / (x * x - 1.0)


def midpoint(n_steps: int) -> tuple[Floats, Floats]:
    """Nodes and weights of the midpoint rule on [0, 1], each (n_steps,)."""
    return (np.arange(n_steps) + 0.5) / n_steps, np.full(n_steps, 1.0 / n_steps)


class FixedRule:
    """A weighted sum over given nodes, and f at both ends so that the true error is known.

    Only the sum is kept: thousands of nodes times hundreds of targets times tokens would fill the memory;
    an image alone has a hundred thousand scores.
    """

    def __init__(self, nodes: Floats, weights: Floats) -> None:
        self._weights = {float(node): float(weight) for node, weight in zip(nodes, weights, strict=True)}
        self._ends: dict[float, EndValue] = {}
        self._sum: Floats | None = None
        self._points = 0
        self._closed = False

    def know(self, end: float, f: Floats, noise: Floats) -> None:
        """Take the values at an end, 0 or 1, from a forward pass alone; before the start.

        Without effect on an end that is a node, whose gradient is needed.
        """
        if end not in self._weights:
            self._ends[end] = EndValue(f, noise)

    def start(self) -> list[float]:
        """Both ends of the path where they are not known, then the nodes."""
        ends = [end for end in (1.0, 0.0) if end not in self._ends]
        return [*ends, *(node for node in self._weights if node not in (0.0, 1.0))]

    def forecast(self, targets: int) -> PointsForecast:
        """All the nodes, and the ends."""
        return fixed_points(len(self.start()))

    def needed(self, count: int, _alpha: float) -> Sequence[int]:
        """Every target."""
        return range(count)

    def add(self, alpha: float, value: NodeValue) -> None:
        """Take the value of one point."""
        self._points += 1
        if alpha in (0.0, 1.0):
            self._ends[alpha] = value.end
        if (weight := self._weights.get(alpha)) is not None:
            weighted = np.multiply(value.token_sums, weight, dtype=np.float64)
            self._sum = weighted if self._sum is None else np.add(self._sum, weighted, out=self._sum)

    def advance(self) -> list[float]:
        """One round is all there is."""
        self._closed = True
        return []

    def cut(self) -> None:
        """Without effect: a weighted sum lacks what its missing nodes weigh."""

    def estimate(self) -> PathEstimate | None:
        """The weighted sum; the bound is the true error itself, rounding added."""
        if not self._closed or self._sum is None:
            return None
        f_input, f_baseline = self._ends[1.0].f, self._ends[0.0].f
        delta = np.abs(self._sum.sum(axis=1) - (f_input - f_baseline))
        return PathEstimate(
            scores=self._sum,
            score_errors=None,
            score_error_sum=None,
            error_bound=delta + self._ends[1.0].noise + self._ends[0.0].noise,
            f_input=f_input,
            f_baseline=f_baseline,
            points=np.full(len(f_input), self._points),
            round=1,
        )

    def stop_reasons(self) -> list["pb.StopReason.ValueType"]:
        """The steps are done, for every target."""
        return [pb.STOP_REASON_STEPS] * len(self._ends[1.0].f)
