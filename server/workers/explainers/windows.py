"""Where the windows over a long text start and end."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

# Of the window; a token in the middle of the text is then in four windows.
DEFAULT_STRIDE_SHARE = 4


def default_stride(capacity: int) -> int:
    """The stride where none is asked for, in tokens."""
    return max(1, capacity // DEFAULT_STRIDE_SHARE)


def window_spans(
    length: int, capacity: int, stride: int, word_starts: NDArray[np.intp]
) -> list[tuple[int, int]]:
    """Start and end (exclusive) of every window over `length` tokens, so that together they leave none out.

    A window starts at a word's start, at most `stride` after the one before it, unless a word is longer than
    that; it ends at a word's end, unless a word is longer than the window. The last one ends with the text.

    Args:
        length: tokens of the text, above 0.
        capacity: most tokens of a window.
        stride: most tokens from one window's start to the next one's, 1 to capacity.
        word_starts: positions of the tokens that start a word, ascending.
    """
    return list(_spans(length, capacity, stride, word_starts))


def _spans(
    length: int, capacity: int, stride: int, word_starts: NDArray[np.intp]
) -> Iterator[tuple[int, int]]:
    start = 0
    while start + capacity < length:
        end = _cut(start, start + capacity, word_starts)
        yield start, end
        start = _cut(start, min(start + stride, end), word_starts)
    yield start, length


def _cut(start: int, latest: int, word_starts: NDArray[np.intp]) -> int:
    """The last word's start after `start` and not after `latest`; `latest` where there is none."""
    place = int(np.searchsorted(word_starts, latest, side="right")) - 1
    found = int(word_starts[place])
    return found if found > start else latest
