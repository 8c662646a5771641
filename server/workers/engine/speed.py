"""How long a model's batches take, learnt from those that were run."""

from collections import deque

import numpy as np

# So many batches count, so that a machine that has become slower is noticed.
REMEMBERED = 128
# Batches that differ by less say nothing of what a batch costs beside its tokens.
UNEQUAL = 1.5


class Speed:
    """A line through recent batches: seconds by token passes, and what any batch takes.

    Medians, so that the first batch, and one that was interrupted, count no more than others. Written by the
    engine's thread, read by any.
    """

    def __init__(self) -> None:
        self._batches: deque[tuple[int, float]] = deque(maxlen=REMEMBERED)

    def saw(self, token_passes: int, seconds: float) -> None:
        """Learn from a batch."""
        self._batches.append((token_passes, seconds))

    def seconds(self, batches: int, token_passes: int) -> float | None:
        """What so many batches with so many token passes in all take; None before the first was seen."""
        seen = np.array(tuple(self._batches))
        if not len(seen):
            return None
        passes, took = seen.T
        of_any = 0.0
        of_pass = float(np.median(took / passes))
        first, second = np.nonzero(passes[None] > UNEQUAL * passes[:, None])
        if len(first):
            slopes = (took[second] - took[first]) / (passes[second] - passes[first])
            of_pass = max(0.0, float(np.median(slopes)))
            of_any = max(0.0, float(np.median(took - of_pass * passes)))
        return of_any * batches + of_pass * token_passes
