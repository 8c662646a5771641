"""What a panel's integrals lack, given to the tokens; and how far each may still be off.

The interpolation error of every token is taken for a mixture of the nearby bends (second differences): they
show which tokens' gradients curve, and how. Which mixture it is, the residual tells: the errors must add up
to it. The least mixture that does is added to the integrals. How large a mixture may be that does not show
in the residual, the residuals around tell, and that makes the error bars.
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
    """

    weights: Floats
    shown: Floats
    energy: Floats
    added: Floats
    sums: Floats
    scale: Floats

    def hidden(self, bends: Floats) -> Floats:
        """(K, m, T) from bends, (K, m - 1, T): how large a part of the mixtures adds up to nothing."""
        shown = (self.weights * self.shown) @ bends
        spread = np.square(self.weights) @ np.square(bends) - np.square(shown) / self.energy[..., None]
        hidden: Floats = self.scale[..., None] * np.sqrt(np.maximum(spread, 0.0))
        return hidden


def mixtures(panels: Panels, bend_sizes: Floats) -> Mixtures:
    """The mixtures that make up for the residuals; `bend_sizes` is the sum over the tokens of |bend|."""
    weights, bend_sums = _weights(panels), panels.totals @ panels.bend.T
    shown = weights * bend_sums[:, None]
    noise = CANCELLATION * np.square(weights * bend_sizes[:, None]).sum(axis=2)
    energy = np.square(shown).sum(axis=2) + noise + np.finfo(np.float64).tiny
    added = weights * shown * (panels.residuals / energy)[..., None]
    seen = np.square(panels.residuals) + PRIOR**2 * noise
    return Mixtures(
        weights=weights,
        shown=shown,
        energy=energy,
        added=added,
        sums=(added * bend_sums[:, None]).sum(axis=2),
        scale=np.sqrt(_with_neighbours(seen) / _with_neighbours(energy)),
    )


def _weights(panels: Panels) -> Floats:
    h = panels.widths
    panel, bend = np.arange(len(h))[:, None], np.arange(len(h) - 1)[None]
    away = np.abs(bend + 0.5 - panel)
    near = np.where(away < REACH, FADING**away, 0.0)
    area = np.minimum(h[:, None] ** 2, STRETCH * (h[:-1] * h[1:])[None])
    weights: Floats = panels.mass[..., None] * (near * area / 6)
    return weights


def _with_neighbours(values: Floats) -> Floats:
    """(K, m): the sum over each panel and the two beside it."""
    padded = np.pad(values, ((0, 0), (1, 1)))
    total: Floats = padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]
    return total
