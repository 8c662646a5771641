"""One panel of adaptive Simpson: an interval of the path whose error is known on its own."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ligserve.server.workers.quadrature.rule import Floats, NodeValue


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """The integral over [start, end] from five equidistant nodes.

    Attributes:
        start: left end on the path.
        end: right end on the path.
        integral: (K, T), Simpson's rule on both halves, extrapolated (Boole's rule).
        nested: (K,), sum over the tokens of |two halves - one Simpson| / 15, each score's estimated error.
        residual: (K,), |sum of integral - (f(end) - f(start))|: the exact error of the sum.
        score_errors: (K, T), each token's nested difference and its share of the residual; None where they
            are not kept.
    """

    start: float
    end: float
    integral: Floats
    nested: Floats
    residual: Floats
    score_errors: Floats | None

    @property
    def width(self) -> float:
        """Length of the interval."""
        return self.end - self.start

    def halves(self) -> list[tuple[float, float]]:
        """The two intervals that replace this one."""
        middle = 0.5 * (self.start + self.end)
        return [(self.start, middle), (middle, self.end)]


def panel_nodes(start: float, end: float) -> list[float]:
    """The five alphas of a panel; exact for dyadic ends."""
    return [start + (end - start) * quarter / 4 for quarter in range(5)]


def make_panel(
    start: float, end: float, values: Mapping[float, NodeValue], *, score_errors: bool = True
) -> Panel:
    """The panel over [start, end] from values that hold its five nodes.

    The residual is exact because the token sums of the integrand add up to df/dalpha (the gradient
    theorem), so their integral over the panel must equal f(end) - f(start).
    """
    nodes = [values[alpha] for alpha in panel_nodes(start, end)]
    g = [node.token_sums.astype(np.float64, copy=False) for node in nodes]
    width = end - start
    coarse = width / 6 * (g[0] + 4 * g[2] + g[4])
    fine = width / 12 * (g[0] + 4 * g[1] + 2 * g[2] + 4 * g[3] + g[4])
    correction = (fine - coarse) / 15
    integral = fine + correction
    residual = np.abs(integral.sum(axis=1) - (nodes[4].f - nodes[0].f))
    nested = np.abs(correction)
    errors = nested + residual[:, None] * _shares(integral) if score_errors else None
    return Panel(start, end, integral, nested.sum(axis=1), residual, errors)


def _shares(integral: Floats) -> Floats:
    """(K, T): each score's size as a share of all scores' sizes."""
    size = np.abs(integral)
    total = size.sum(axis=1, keepdims=True)
    shares: Floats = np.divide(size, total, out=np.zeros_like(size), where=total > 0)
    return shares
