"""A long text as HTML: a strip of its heat to jump by, and its windows to unfold."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from ligserve.client.rendering.colours import strengths
from ligserve.client.rendering.html import escaped, explanation_notes, legend, notes_html, words_block
from ligserve.client.rendering.pieces import Piece, target_pieces
from ligserve.client.rendering.strip import Part, strip_html

if TYPE_CHECKING:
    from ligserve.client.types.explanation import Explanation

# More sections than this make neither a readable strip nor a readable page; windows share one then.
MOST_SECTIONS = 200
# How much of a section's text its closed heading shows, in code points.
_GLIMPSE = 60
# Strength of a section that is open from the start.
OPEN_FROM = 0.8


@dataclass(frozen=True, slots=True)
class Section:
    """The text from one window's start to the next one's; none of it stands in two sections.

    Attributes:
        first: its first window.
        last: its last window.
        pieces: its text, with scores.
    """

    first: int
    last: int
    pieces: tuple[Piece, ...]

    @property
    def score(self) -> float:
        """What its pieces add up to."""
        return sum(piece.score or 0.0 for piece in self.pieces)


def document_html(explanation: "Explanation") -> str:
    """For each target a strip and the sections of the text; then how exact it is."""
    targets = "".join(_target(explanation, position) for position in range(len(explanation.targets)))
    notes = notes_html(explanation_notes(explanation))
    return f'<div class="ligserve">{legend()}{targets}{notes}</div>'


def sections_of(explanation: "Explanation", target: int) -> tuple[Section, ...]:
    """The text of a target, cut where windows start."""
    windows = explanation.windows
    step = -(-len(windows) // MOST_SECTIONS)
    starts = [0, *(window.start for window in windows[step::step])]
    parts: list[list[Piece]] = [[] for _ in starts]
    for place, piece in _placed(target_pieces(explanation, target, special=False)):
        parts[bisect_right(starts, place) - 1].append(piece)
    firsts = range(0, len(windows), step)
    return tuple(
        Section(first, min(len(windows), first + step) - 1, tuple(part))
        for first, part in zip(firsts, parts, strict=True)
    )


def _placed(pieces: Sequence[Piece]) -> Iterator[tuple[int, Piece]]:
    """Each piece with where it starts; without special tokens the pieces are the text."""
    place = 0
    for piece in pieces:
        yield place, piece
        place += len(piece.text)


def _target(explanation: "Explanation", target: int) -> str:
    explained, sections = explanation.targets[target], sections_of(explanation, target)
    heat = strengths(section.score for section in sections)
    shades = iter(strengths(piece.score or 0.0 for section in sections for piece in section.pieces))
    parts = (
        Part(
            anchor=f"{explanation.request_id}-{target}-{section.first}",
            name=f"{windows_name(section.first, section.last)}: {section.score:+.4g}",
            glimpse=_glimpse(section),
            strength=strength,
            body=words_block(section.pieces, list(islice(shades, len(section.pieces)))),
            # What there is to see is seen at once.
            unfolded=abs(strength) > OPEN_FROM,
        )
        for section, strength in zip(sections, heat, strict=True)
    )
    return f"<p>why <b>{escaped(str(explained.target))}</b></p>{strip_html(parts)}"


def _glimpse(section: Section) -> str:
    return " ".join("".join(piece.text for piece in section.pieces[:_GLIMPSE]).split())[:_GLIMPSE]


def windows_name(first: int, last: int) -> str:
    """How windows that are shown together are called."""
    return f"windows {first} to {last}" if last > first else f"window {first}"
