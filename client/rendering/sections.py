"""A long text cut where windows start, so that none of it stands in two sections."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from ligserve.client.rendering.pieces import Piece, segment_pieces
from ligserve.client.types.document import DocumentWindow

if TYPE_CHECKING:
    from ligserve.client.types.explanation import Explanation

# More sections than this make neither a readable strip nor a readable page; windows share one then.
MOST_SECTIONS = 200
BESIDE = "beside every window"


@dataclass(frozen=True, slots=True)
class Section:
    """The text from one window's start to the next one's, or a text beside all of them.

    Its score is not that of a window: a token has the scores of all windows that it is in.

    Attributes:
        name: which stretch of the text it is.
        pieces: its text, with scores.
        windows: the windows that start in it.
    """

    name: str
    pieces: tuple[Piece, ...]
    windows: tuple[DocumentWindow, ...] = ()

    @property
    def score(self) -> float:
        """What its pieces add up to."""
        return sum(piece.score or 0.0 for piece in self.pieces)


def sections_of(explanation: "Explanation", target: int) -> tuple[Section, ...]:
    """The texts of a target in order, the long one cut where windows start."""
    long = explanation.windows[0].segment
    sections: list[Section] = []
    for segment in range(len(explanation.texts_of(target))):
        pieces = segment_pieces(explanation, target, segment)
        sections += _stretches(explanation, pieces) if segment == long else [Section(BESIDE, pieces)]
    return tuple(sections)


def grouped(windows: Sequence[DocumentWindow]) -> tuple[tuple[DocumentWindow, ...], ...]:
    """The windows that share a section; those of all labels on the same part of the text among them."""
    labels = 1 + max(window.candidate or 0 for window in windows)
    parts = len(windows) // labels
    step = labels * -(-parts // MOST_SECTIONS)
    return tuple(tuple(windows[first : first + step]) for first in range(0, len(windows), step))


def windows_name(windows: Sequence[DocumentWindow]) -> str:
    """How windows that are shown together are called."""
    first, last = windows[0].index, windows[-1].index
    return f"windows {first} to {last}" if last > first else f"window {first}"


def stretch_name(start: int, end: int) -> str:
    """How a stretch of the text is called."""
    return f"characters {start} to {end}"


def _stretches(explanation: "Explanation", pieces: Sequence[Piece]) -> Iterator[Section]:
    """The long text from each group of windows to the next."""
    groups = grouped(explanation.windows)
    # White space may come before the first window.
    starts = [0, *(group[0].start for group in groups[1:])]
    length = len(explanation.texts[explanation.windows[0].segment])
    for start, end, part, group in zip(
        starts, [*starts[1:], length], _cut(pieces, starts), groups, strict=True
    ):
        yield Section(stretch_name(start, end), part, group)


def _cut(pieces: Sequence[Piece], starts: Sequence[int]) -> Iterator[tuple[Piece, ...]]:
    """The pieces of a text from each start to the next one; one with a score is never cut in two."""
    parts: list[list[Piece]] = [[] for _ in starts]
    place = 0
    for piece in pieces:
        end = place + len(piece.text)
        at, last = bisect_right(starts, place) - 1, bisect_left(starts, end) - 1
        if at >= last or piece.score is not None:
            parts[at].append(piece)
        else:
            edges = [place, *starts[at + 1 : last + 1], end]
            for part, (start, stop) in zip(parts[at:], pairwise(edges), strict=False):
                part.append(replace(piece, text=piece.text[start - place : stop - place]))
        place = end
    return map(tuple, parts)
