"""The integral over each panel (an interval between neighbouring points), and what is missing in it.

All that is done to the gradients of a token is linear in its values at the points, and the same for every
token: so it is worked out for the points, as weights, before any token is looked at.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ligserve.server.workers.quadrature.rule import Floats
from ligserve.server.workers.quadrature.samples import Samples, logistic_slope

# Gauss nodes in a panel, for a cubic times a slope that the curve's cubic gives: no model pass is needed.
INNER_NODES = 10
# Quintics need fewer points for 0.1 %, but more for 1 %: paths are too rough for them.
DEGREE = 3


@dataclass(frozen=True, slots=True, eq=False)
class Panels:
    """m = n - 1 panels between n points, for K targets.

    Attributes:
        widths: (m,).
        mass: (K, m), the integral of the slope.
        integral: (K, m, n), from gradients at the points to the panels' integrals: the slope times the cubic
            through the nearest four points' gradients.
        bend: (m - 1, n), from gradients at the points to their second divided differences at the inner ones.
        totals: (K, n), the gradients' sums over the tokens.
        residuals: (K, m), what the integrals' sums lack: the change of f over the panel less the sum over the
            tokens. Exact, since the gradients add up to the derivative of f (the gradient theorem).
    """

    widths: Floats
    mass: Floats
    integral: Floats
    bend: Floats
    totals: Floats
    residuals: Floats


def panels(samples: Samples) -> Panels:
    """The panels between the points, which are four at least."""
    widths, totals = np.diff(samples.alphas), samples.totals / samples.slopes
    slope = _slope_weights(samples, totals, widths)
    points, cubics = _cubics(samples.alphas, widths)
    integral = np.zeros((len(totals), len(widths), len(samples.alphas)))
    integral[:, np.arange(len(widths))[:, None], points] = np.einsum("kmq,msq->kms", slope, cubics)
    return Panels(
        widths=widths,
        mass=slope.sum(axis=2),
        integral=integral,
        bend=_bend(widths),
        totals=totals,
        residuals=np.diff(samples.f, axis=1) - np.einsum("kmn,kn->km", integral, totals),
    )


@cache
def inner_nodes() -> tuple[Floats, Floats]:
    """Nodes and weights of Gauss-Legendre on [0, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(INNER_NODES)
    return (1 + nodes) / 2, weights / 2


def _slope_weights(samples: Samples, totals: Floats, widths: Floats) -> Floats:
    """(K, m, inner nodes): the slope at each inner node x the node's weight.

    The curve between two points is the cubic that meets it and its derivative at both: they are known.
    """
    u, weights = inner_nodes()
    plain = np.broadcast_to(weights * widths[:, None], (len(totals), len(widths), len(u)))
    if not samples.logistic.any():
        return plain
    z, dz = samples.log_odds[..., None], totals[..., None]
    h = widths[:, None]
    curve = (
        z[:, :-1] * (1 + 2 * u) * (1 - u) ** 2
        + z[:, 1:] * u**2 * (3 - 2 * u)
        + h * u * (1 - u) * (dz[:, :-1] * (1 - u) - dz[:, 1:] * u)
    )
    return np.where(samples.logistic[:, None, None], plain * logistic_slope(curve), plain)


def _cubics(x: Floats, widths: Floats) -> tuple[NDArray[np.int64], Floats]:
    """Each panel's four points, (m, 4), and at its inner nodes what each one counts, (m, 4, inner nodes)."""
    first = np.clip(np.arange(len(widths)) - 1, 0, len(x) - DEGREE - 1)
    points = first[:, None] + np.arange(DEGREE + 1)
    at = x[points]
    inner = x[:-1, None] + widths[:, None] * inner_nodes()[0]
    away = inner[:, None] - at[..., None]
    counts = np.ones_like(away)
    for each in range(DEGREE + 1):
        for other in range(DEGREE + 1):
            if other != each:
                counts[:, each] *= away[:, other] / (at[:, each] - at[:, other])[:, None]
    return points, counts


def _bend(widths: Floats) -> Floats:
    before, after = widths[:-1], widths[1:]
    bend = np.zeros((len(before), len(widths) + 1))
    number = np.arange(len(before))
    bend[number, number] = 1 / (before * (before + after))
    bend[number, number + 1] = -1 / (before * after)
    bend[number, number + 2] = 1 / (after * (before + after))
    return bend
