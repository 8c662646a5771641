"""What the points so far say of every target: integrals, corrected, and their errors."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ligserve.server.workers.quadrature.correction import HIDDEN_SHARE, RESIDUAL_SHARE, mixtures
from ligserve.server.workers.quadrature.panels import Panels, panels
from ligserve.server.workers.quadrature.rule import Floats
from ligserve.server.workers.quadrature.samples import Samples


@dataclass(frozen=True, slots=True, eq=False)
class Findings:
    """K targets over T tokens, from m panels.

    Attributes:
        scores: (K, T).
        score_errors: (K, T), estimated error of each score; None where they are not kept.
        panel_errors: (K, m), the scores' estimated errors in all, panel by panel; rounding apart.
        leftover: (K, m), what the corrected integrals' sums still lack; exact.
        rounding: (K, m), how far the scores of each panel may be off in all by coarse arithmetic.
        noise: (K, m), how far their sum may be off by it.
    """

    scores: Floats
    score_errors: Floats | None
    panel_errors: Floats
    leftover: Floats
    rounding: Floats
    noise: Floats

    def of(self, kept: NDArray[np.bool_] | Sequence[int]) -> "Findings":
        """Some of the targets."""
        return Findings(
            self.scores[kept],
            None if self.score_errors is None else self.score_errors[kept],
            self.panel_errors[kept],
            self.leftover[kept],
            self.rounding[kept],
            self.noise[kept],
        )


def findings(samples: Samples, *, score_errors: bool) -> Findings:
    """Integrate every target; whether each score's error is kept, or only their sum."""
    shape, count = (len(samples.f), samples.tokens), len(samples.alphas) - 1
    found = Findings(
        scores=np.empty(shape),
        score_errors=np.zeros(shape) if score_errors else None,
        panel_errors=np.zeros((shape[0], count)),
        leftover=np.empty((shape[0], count)),
        rounding=np.empty((shape[0], count)),
        noise=_noise(samples),
    )
    for rows, some in samples.target_blocks():
        _find(some, rows, found)
    return found


def _noise(samples: Samples) -> Floats:
    """In float32 none that counts: the ends of the path alone are off, which the targets' bounds know of."""
    noise: Floats = 0.5 * samples.worse * (samples.noise[:, :-1] + samples.noise[:, 1:])
    return noise if samples.score_noise else np.zeros_like(noise)


def _find(samples: Samples, rows: slice, found: Findings) -> None:
    """Fill in some targets."""
    the_panels = panels(samples)
    sums = _sums(samples, the_panels)
    correction = mixtures(the_panels, sums.bends, found.noise[rows])
    coarse = samples.score_noise * samples.worse
    found.leftover[rows] = the_panels.residuals - correction.sums
    found.rounding[rows] = coarse * sums.integrals
    weights = (the_panels.integral + correction.added @ the_panels.bend).sum(axis=1)
    shares = RESIDUAL_SHARE * np.divide(
        correction.beyond, sums.integrals, out=np.zeros_like(sums.integrals), where=sums.integrals > 0
    )
    for columns, gradients in samples.gradients():
        found.scores[rows, columns] = np.einsum("kn,knt->kt", weights, gradients)
        hidden = correction.hidden(the_panels.bend @ gradients)
        sizes = np.abs(the_panels.integral @ gradients)
        errors = shares[..., None] * sizes + HIDDEN_SHARE * hidden
        found.panel_errors[rows] += errors.sum(axis=2)
        if found.score_errors is not None:
            rounding = coarse * _rounding_shares(sizes.sum(axis=1), sums)
            found.score_errors[rows, columns] = np.hypot(errors.sum(axis=1), rounding)


class _Sums(NamedTuple):
    """Sums over all tokens.

    Attributes:
        bends: (K, m - 1), of |bend|.
        integrals: (K, m), of |integral|.
        moving: (K,), the number of tokens that have any.
    """

    bends: Floats
    integrals: Floats
    moving: Floats


def _sums(samples: Samples, panels: Panels) -> _Sums:
    bends, integrals = np.zeros_like(panels.mass[:, 1:]), np.zeros_like(panels.mass)
    moving = np.zeros(len(integrals))
    for _, gradients in samples.gradients():
        sizes = np.abs(panels.integral @ gradients)
        bends += np.abs(panels.bend @ gradients).sum(axis=2)
        integrals += sizes.sum(axis=2)
        moving += sizes.any(axis=1).sum(axis=1)
    return _Sums(bends, integrals, moving)


def _rounding_shares(sizes: Floats, sums: _Sums) -> Floats:
    """(K, tokens), which add up to the sum of all sizes: how rounding is shared out among the scores.

    One half in proportion to their own sizes, one half evenly: the noise of a token's gradient comes from
    its own parts, of which small scores have as large ones, and from all other tokens.
    """
    even = sums.integrals.sum(axis=1) / np.maximum(sums.moving, 1.0)
    shares: Floats = np.where(sizes > 0, 0.5 * (sizes + even[:, None]), 0.0)
    return shares
