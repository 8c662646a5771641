"""The best span of a text, from how likely each token is its first and its last."""

import numpy as np
from numpy.typing import NDArray


def best_span(start: NDArray[np.float64], end: NDArray[np.float64], longest: int) -> tuple[int, int]:
    """First and last token of the span with the largest start + end.

    Args:
        start: (T,) logit of each token to be the first; -inf where it must not be.
        end: (T,) logit of each token to be the last; -inf where it must not be.
        longest: most tokens of a span, at least 1.

    Returns:
        Positions, first <= last < first + longest. Of several best spans the one that starts first, and of
        those the shortest.
    """
    width = min(longest, len(end))
    padded = np.concatenate([end, np.full(width - 1, -np.inf)])
    # Row f holds end[f], ..., end[f + width - 1]; a view, nothing is copied.
    ends = np.lib.stride_tricks.sliding_window_view(padded, width)
    first = int(np.argmax(start + ends.max(axis=1)))
    return first, first + int(np.argmax(ends[first]))
