"""Where the windows over a long text start and end."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

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


def own_spans(length: int, spans: Sequence[tuple[int, int]]) -> list[range]:
    """For each window the tokens that have most context in it; each of `length` tokens is in one of them.

    A token's context in a window is the fewer of the window's tokens before it and after it. Where that is
    the same in several windows, the token is the first one's. A window may have none.
    """
    most, owners = np.full(length, -1), np.zeros(length, dtype=np.intp)
    for number, (start, end) in enumerate(spans):
        places = np.arange(end - start)
        context = np.minimum(places, places[::-1])
        better = np.flatnonzero(context > most[start:end])
        most[start + better] = context[better]
        owners[start + better] = number
    # A later token's owner is no earlier window: edges are where owners change.
    edges = np.searchsorted(owners, np.arange(len(spans) + 1)).tolist()
    return [range(first, last) for first, last in pairwise(edges)]


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
