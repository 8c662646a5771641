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

    def values(self, needed: Sequence[Output]) -> list[NodeValue | None]:
        """For each point the values of other outputs; None where they do not follow."""
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
            NodeValue(f[row], sums[row], noise[row], log_odds[row]) if follows[row] else None
            for row in range(len(self.logits))
        ]

    def _weights(self, needed: Sequence[Output]) -> tuple[Floats, NDArray[np.bool_]]:
        """(N, K, E): what the needed outputs' token sums are made of; and (N,), whether all can be."""
        if set(needed) <= set(self.outputs):
            chosen = np.array([[float(known == each) for known in self.outputs] for each in needed])
            return np.broadcast_to(chosen, (len(self.logits), *chosen.shape)), np.ones(
                len(self.logits), np.bool_
            )
        known, wanted = (self._derivatives(outputs) for outputs in (self.outputs, needed))
        size = np.linalg.norm(known, axis=2, keepdims=True)
        usable = size > SMALLEST_DERIVATIVE
        unit = np.where(usable, known / np.where(usable, size, 1.0), 0.0)
        inverse = np.linalg.pinv(unit, rcond=LEAST_INDEPENDENT)
        directions = wanted @ inverse
        missed = np.linalg.norm(directions @ unit - wanted, axis=2)
        follows = (missed <= MATCH * np.linalg.norm(wanted, axis=2)).all(axis=1)
        weights: Floats = directions / np.where(usable, size, 1.0).transpose(0, 2, 1)
        return weights, follows

    def _derivatives(self, outputs: Sequence[Output]) -> Floats:
        """(N, outputs, C), by the logits."""
        logits = self.logits.detach().requires_grad_()
        with torch.enable_grad():
            columns = [torch.autograd.grad(output(logits).sum(), logits)[0] for output in outputs]
        derivatives: Floats = torch.stack(columns, dim=1).numpy()
        return derivatives
