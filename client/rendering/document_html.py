"""A long text as HTML: a strip of its heat to jump by, and its windows to unfold."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from ligserve.client.rendering.captions import caption, outcome
from ligserve.client.rendering.colours import strengths
from ligserve.client.rendering.html import escaped, explanation_notes, legend, notes_html, words_block
from ligserve.client.rendering.pieces import Piece, one_line, segment_pieces
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
    """The text from one window's start to the next one's, or a text beside all of them.

    None of it stands in two sections.

    Attributes:
        name: what it is called.
        pieces: its text, with scores.
    """

    name: str
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
    """The texts of a target in order, the long one cut where windows start."""
    windows = [window for window in explanation.windows if not window.candidate]
    step = -(-len(windows) // MOST_SECTIONS)
    starts = [0, *(window.start for window in windows[step::step])]
    sections: list[Section] = []
    for segment in range(len(explanation.texts_of(target))):
        pieces = segment_pieces(explanation, target, segment)
        if segment == windows[0].segment:
            parts = list(zip(range(0, len(windows), step), _cut(pieces, starts), strict=True))
            sections += [
                Section(windows_name(first, min(len(windows), first + step) - 1), part)
                for first, part in parts
            ]
        else:
            sections.append(Section("beside every window", pieces))
    return tuple(sections)


def _cut(pieces: Sequence[Piece], starts: Sequence[int]) -> Iterator[tuple[Piece, ...]]:
    """The pieces of a text from each start to the next one."""
    parts: list[list[Piece]] = [[] for _ in starts]
    place = 0
    for piece in pieces:
        parts[bisect_right(starts, place) - 1].append(piece)
        place += len(piece.text)
    return map(tuple, parts)


def windows_name(first: int, last: int) -> str:
    """How windows that are shown together are called."""
    return f"windows {first} to {last}" if last > first else f"window {first}"


def _target(explanation: "Explanation", target: int) -> str:
    sections = sections_of(explanation, target)
    heat = strengths(section.score for section in sections)
    shades = iter(strengths(piece.score or 0.0 for section in sections for piece in section.pieces))
    parts = (
        Part(
            anchor=f"{explanation.request_id}-{target}-{place}",
            name=f"{section.name}: {section.score:+.4g}",
            glimpse=_glimpse(section),
            strength=strength,
            body=words_block(section.pieces, list(islice(shades, len(section.pieces)))),
            # What there is to see is seen at once.
            unfolded=abs(strength) > OPEN_FROM,
        )
        for place, (section, strength) in enumerate(zip(sections, heat, strict=True))
    )
    return f"{_heading(explanation, target)}{strip_html(parts)}"


def _glimpse(section: Section) -> str:
    return " ".join("".join(piece.text for piece in section.pieces[:_GLIMPSE]).split())[:_GLIMPSE]


def _heading(explanation: "Explanation", target: int) -> str:
    """What the model answered, and what of it is explained."""
    label, probability = outcome(explanation, target)
    chance = "" if probability is None else f" ({probability:.2f})"
    answered = f"{escaped(one_line(label))}{chance}: " if label else ""
    return f"<p>{answered}why <b>{escaped(caption(explanation, target))}</b></p>"
