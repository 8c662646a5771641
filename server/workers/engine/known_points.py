"""Points at which some outputs' gradients are known: values of other outputs follow from them.

A gradient of any function of the logits is a sum of the logits' gradients, and so are the token sums; where
the derivative of one output by the logits is a sum of those of others, so are its token sums. The probability
of one of two classes tells the other's, both log-odds and their difference; the logits of all classes tell
everything.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ligserve.server.workers.engine.outputs import Output
from ligserve.server.workers.quadrature import NodeValue

Floats = NDArray[np.float64]

# Those of the outputs that were asked for which are not known at a point.
Lacking = tuple[Output, ...]

# An output whose derivative is smaller leaves nothing of a float32 gradient.
SMALLEST_DERIVATIVE = 1e-20
# Derivatives that are nearly parallel would multiply the gradients' rounding by more than 1 / this.
LEAST_INDEPENDENT = 0.02
# What a sum of derivatives may miss of the one that is looked for, relative to it.
MATCH = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class KnownPoints:
    """N points at which the same E outputs were evaluated.

    Attributes:
        logits: (N, C), float64.
        outputs: (E,), what was evaluated.
        token_sums: (N, E, T).
    """

    logits: Tensor
    outputs: Sequence[Output]
    token_sums: NDArray[np.floating]

    def values(self, needed: Sequence[Output]) -> list[NodeValue | Lacking]:
        """For each point the values of other outputs, or those of them that do not follow."""
        weights, follows = self._weights(needed)
        sums = weights @ self.token_sums
        f, noise, log_odds = (
            torch.stack([each(self.logits) for each in functions], dim=1).numpy()
            for functions in (
                needed,
                [output.noise for output in needed],
                [output.log_odds for output in needed],
            )
        )
        return [
            NodeValue(f[row], sums[row], noise[row], log_odds[row])
            if known.all()
            else tuple(output for output, is_known in zip(needed, known, strict=True) if not is_known)
            for row, known in enumerate(follows)
        ]

    def _weights(self, needed: Sequence[Output]) -> tuple[Floats, NDArray[np.bool_]]:
        """(N, K, E): what the needed outputs' token sums are made of; and (N, K), whether they can be."""
        shape = (len(self.logits), len(needed))
        weights, follows = np.zeros((*shape, len(self.outputs))), np.ones(shape, np.bool_)
        places = {output: place for place, output in enumerate(self.outputs)}
        others = []
        for number, output in enumerate(needed):
            if output in places:
                weights[:, number, places[output]] = 1.0
            else:
                others.append(number)
        if others:
            weights[:, others], follows[:, others] = self._sums([needed[number] for number in others])
        return weights, follows

    def _sums(self, wanted: Sequence[Output]) -> tuple[Floats, NDArray[np.bool_]]:
        """The same for outputs that were not evaluated."""
        derivatives, wanted_derivatives = self._derivatives(self.outputs), self._derivatives(wanted)
        size = np.linalg.norm(derivatives, axis=2, keepdims=True)
        usable = size > SMALLEST_DERIVATIVE
        unit = np.where(usable, derivatives / np.where(usable, size, 1.0), 0.0)
        inverse = np.linalg.pinv(unit, rcond=LEAST_INDEPENDENT)
        directions = wanted_derivatives @ inverse
        missed = np.linalg.norm(directions @ unit - wanted_derivatives, axis=2)
        follows = missed <= MATCH * np.linalg.norm(wanted_derivatives, axis=2)
        weights: Floats = directions / np.where(usable, size, 1.0).transpose(0, 2, 1)
        return weights, follows

    def _derivatives(self, outputs: Sequence[Output]) -> Floats:
        """(N, outputs, C), by the logits."""
        logits = self.logits.detach().requires_grad_()
        with torch.enable_grad():
            columns = [torch.autograd.grad(output(logits).sum(), logits)[0] for output in outputs]
        derivatives: Floats = torch.stack(columns, dim=1).numpy()
        return derivatives
