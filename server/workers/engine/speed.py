"""How long a model's batches take, learnt from those that were run."""

from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# So many batches count, so that a machine that has become slower is noticed.
REMEMBERED = 128
# Batches that differ by less say nothing of what a batch costs beside its tokens.
UNEQUAL = 1.5
# And where batches were tried when the model was loaded, less than those that are nearer to each other than
# this share of how far the trial went.
APART = 0.5


class Speed:
    """A line through recent batches: seconds by token passes, and what any batch takes.

    Medians, so that the first batch, and one that was interrupted, count no more than others. Written by the
    engine's thread, read by any.
    """

    def __init__(self, tried: Sequence[tuple[int, float]] = ()) -> None:
        """Start with what a trial has found.

        Args:
            tried: token passes and seconds of batches. They tell what a token pass takes until real batches
                that differ as much do; short requests alone never would.
        """
        self._tried = np.array(tried, dtype=np.float64).reshape(-1, 2)
        self._apart = APART * np.ptp(self._tried[:, 0]) if tried else 0.0
        self._batches: deque[tuple[int, float]] = deque(maxlen=REMEMBERED)

    def saw(self, token_passes: int, seconds: float) -> None:
        """Learn from a batch."""
        self._batches.append((token_passes, seconds))

    def seconds(self, batches: int, token_passes: int) -> float | None:
        """What so many batches with so many token passes in all take; None before any is known."""
        seen = np.array(tuple(self._batches) or self._tried)
        if not len(seen):
            return None
        passes, took = seen.T
        of_any = 0.0
        of_pass = float(np.median(took / passes))
        slopes = _slopes(seen, self._apart)
        if not len(slopes):
            slopes = _slopes(self._tried)
        if len(slopes):
            of_pass = max(0.0, float(np.median(slopes)))
            of_any = max(0.0, float(np.median(took - of_pass * passes)))
        return of_any * batches + of_pass * token_passes


def _slopes(seen: NDArray[np.float64], apart: float = 0.0) -> NDArray[np.float64]:
    """Seconds by token passes between any two batches, (N, 2), that differ enough."""
    passes, took = seen.T
    differ = (passes > UNEQUAL * passes[:, None]) & (passes - passes[:, None] >= apart)
    first, second = np.nonzero(differ)
    slopes: NDArray[np.float64] = (took[second] - took[first]) / (passes[second] - passes[first])
    return slopes
