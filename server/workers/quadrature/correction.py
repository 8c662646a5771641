"""What a panel's integrals lack, given to the tokens; and how far each may still be off.

The interpolation error of every token is taken for a mixture of the nearby bends (second differences): they
show which tokens' gradients curve, and how. Which mixture it is, the residual tells: the errors must add up
to it. The least mixture that does is added to the integrals. How large a mixture may be that does not show
in the residual, the residuals around tell, and that makes the error bars.

A residual that rounding explains tells of no curve, and more points would make it no smaller: only what is
beyond it counts for the errors. The rest is the rounding's, which is counted apart (findings.py).
"""

from dataclasses import dataclass

import numpy as np

from ligserve.server.workers.quadrature.panels import Panels
from ligserve.server.workers.quadrature.rule import Floats

# Bends of the nearest REACH points on each side count, each step further away FADING as much.
REACH = 3
FADING = 0.7
# A bend next to a far narrower panel is taken at no more than this many times what its own points show.
STRETCH = 4.0
# Noise in a mixture, relative to its size: bends whose tokens cancel out do not explain a residual.
CANCELLATION = 0.02
# How large a mixture is where no residual tells: 1 is the error of a linear interpolation.
PRIOR = 0.5
# Rounding makes residuals of about the same size in all panels, so it explains no more of any than this many
# times their median (1.5 standard deviations of such noise), however coarse the arithmetic may be.
MOST_NOISE = 2.2
# Error of a score: these shares of the panel's residual and of the mixture that does not show in it. Chosen
# so that the errors' sum exceeds the true one in 19 of 20 cases (docs/quadrature.md).
RESIDUAL_SHARE = 0.25
HIDDEN_SHARE = 0.4


@dataclass(frozen=True, slots=True, eq=False)
class Mixtures:
    """Errors as mixtures of bends, for K targets in m panels.

    Attributes:
        weights: (K, m, m - 1), from each bend to the error that it makes in each panel's integral.
        shown: (K, m, m - 1), what each weighted bend adds up to over the tokens.
        energy: (K, m), the size of that, noise added.
        added: (K, m, m - 1), from bends to what is added to the integrals.
        sums: (K, m), what that adds up to over the tokens.
        scale: (K, m), the size of a mixture, by the residuals around.
        beyond: (K, m), how large a part of each residual rounding does not explain.
    """

    weights: Floats
    shown: Floats
    energy: Floats
    added: Floats
    sums: Floats
    scale: Floats
    beyond: Floats

    def hidden(self, bends: Floats) -> Floats:
        """(K, m, T) from bends, (K, m - 1, T): how large a part of the mixtures adds up to nothing."""
        shown = (self.weights * self.shown) @ bends
        spread = np.square(self.weights) @ np.square(bends) - np.square(shown) / self.energy[..., None]
        hidden: Floats = self.scale[..., None] * np.sqrt(np.maximum(spread, 0.0))
        return hidden


def mixtures(panels: Panels, bend_sizes: Floats, rounding: Floats) -> Mixtures:
    """The mixtures that make up for the residuals.

    Args:
        panels: the panels.
        bend_sizes: (K, m - 1), the sum over the tokens of |bend|.
        rounding: (K, m), how far the residuals may be off by rounding.
    """
    weights, bend_sums = _weights(panels), panels.totals @ panels.bend.T
    shown = weights * bend_sums[:, None]
    noise = CANCELLATION * np.square(weights * bend_sizes[:, None]).sum(axis=2)
    energy = np.square(shown).sum(axis=2) + noise + np.finfo(np.float64).tiny
    added = weights * shown * (panels.residuals / energy)[..., None]
    beyond = _beyond(panels.residuals, rounding)
    seen = np.square(beyond) + PRIOR**2 * noise
    return Mixtures(
        weights=weights,
        shown=shown,
        energy=energy,
        added=added,
        sums=(added * bend_sums[:, None]).sum(axis=2),
        scale=np.sqrt(_with_neighbours(seen) / _with_neighbours(energy)),
        beyond=beyond,
    )


def _weights(panels: Panels) -> Floats:
    h = panels.widths
    panel, bend = np.arange(len(h))[:, None], np.arange(len(h) - 1)[None]
    away = np.abs(bend + 0.5 - panel)
    near = np.where(away < REACH, FADING**away, 0.0)
    area = np.minimum(h[:, None] ** 2, STRETCH * (h[:-1] * h[1:])[None])
    weights: Floats = panels.mass[..., None] * (near * area / 6)
    return weights


def _beyond(residuals: Floats, rounding: Floats) -> Floats:
    """(K, m): residuals' sizes less rounding, which is independent of the rest: so the squares add up."""
    sizes = np.abs(residuals)
    explained = np.minimum(rounding, MOST_NOISE * np.median(sizes, axis=1, keepdims=True))
    beyond: Floats = np.sqrt(np.maximum(np.square(sizes) - np.square(explained), 0.0))
    return beyond


def _with_neighbours(values: Floats) -> Floats:
    """(K, m): the sum over each panel and the two beside it."""
    padded = np.pad(values, ((0, 0), (1, 1)))
    total: Floats = padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]
    return total
