"""A long text as HTML: a strip of its heat to jump by, and its windows to unfold."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ligserve.client.rendering.colours import css_colour, strengths
from ligserve.client.rendering.html import (
    WORDS_STYLE,
    escaped,
    explanation_notes,
    legend,
    notes_html,
    words_html,
)
from ligserve.client.rendering.pieces import Piece, target_pieces

if TYPE_CHECKING:
    from ligserve.client.types.explanation import Explanation

# More sections than this make neither a readable strip nor a readable page; windows share one then.
MOST_SECTIONS = 200
_STRIP = "display: flex; height: 2em; border: 1px solid; margin: 0.5em 0"
_CELL = "flex: 1 1 0; min-width: 1px; background-color:"
_SUMMARY = "cursor: pointer; padding: 0.2em; color: black; background-color:"
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
    shades = strengths(piece.score or 0.0 for section in sections for piece in section.pieces)
    cells, details, used = [], [], 0
    for section, strength in zip(sections, heat, strict=True):
        own = shades[used : used + len(section.pieces)]
        used += len(section.pieces)
        anchor = f"{escaped(explanation.request_id)}-{target}-{section.first}"
        cells.append(_cell(anchor, section, strength))
        details.append(_details(anchor, section, strength, own))
    heading = f"<p>why <b>{escaped(str(explained.target))}</b></p>"
    return f'{heading}<nav style="{_STRIP}">{"".join(cells)}</nav>{"".join(details)}'


def _cell(anchor: str, section: Section, strength: float) -> str:
    title = f"{_windows(section)}: {section.score:+.4g}"
    return f'<a href="#{anchor}" title="{title}" style="{_CELL} {css_colour(strength)}"></a>'


def _details(anchor: str, section: Section, strength: float, shades: Sequence[float]) -> str:
    glimpse = " ".join("".join(piece.text for piece in section.pieces[:_GLIMPSE]).split())[:_GLIMPSE]
    summary = f"{_windows(section)}: {section.score:+.4g} &nbsp; {escaped(glimpse)}"
    # The strongest sections are open: what there is to see is seen at once. The others open when they are
    # jumped to, since browsers reveal what a link points into.
    state = " open" if abs(strength) > OPEN_FROM else ""
    style = f"{_SUMMARY} {css_colour(strength)}"
    words = words_html(section.pieces, shades)
    return (
        f'<details{state}><summary style="{style}">{summary}</summary>'
        f'<div id="{anchor}" dir="auto" style="{WORDS_STYLE}">{words}</div></details>'
    )


def _windows(section: Section) -> str:
    several = section.last > section.first
    return f"windows {section.first} to {section.last}" if several else f"window {section.first}"
