"""A long text as HTML: a strip of its heat to jump by, and its windows to unfold."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from ligserve.client.rendering.captions import caption, outcome
from ligserve.client.rendering.colours import strengths
from ligserve.client.rendering.html import escaped, explanation_notes, legend, notes_html, words_block
from ligserve.client.rendering.pieces import one_line
from ligserve.client.rendering.sections import Section, sections_of, stretch_name, windows_name
from ligserve.client.rendering.strip import Part, strip_html

if TYPE_CHECKING:
    from ligserve.client.types.document import DocumentWindow
    from ligserve.client.types.explanation import Explanation

# How much of a section's text its closed heading shows, in code points.
_GLIMPSE = 60
_WHAT_ADDS_UP = "A stretch's number is the sum of its tokens' scores, over all windows that they are in."
# Strength of a section that is open from the start.
OPEN_FROM = 0.8


def document_html(explanation: "Explanation") -> str:
    """For each target a strip and the sections of the text; then how exact it is."""
    targets = "".join(_target(explanation, position) for position in range(len(explanation.targets)))
    notes = notes_html(explanation_notes(explanation))
    return f'<div class="ligserve">{legend()}{targets}{notes}</div>'


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
            body=words_block(section.pieces, list(islice(shades, len(section.pieces))))
            + notes_html(_window_lines(section, target)),
            # What there is to see is seen at once.
            unfolded=abs(strength) > OPEN_FROM,
        )
        for place, (section, strength) in enumerate(zip(sections, heat, strict=True))
    )
    return f"{_heading(explanation, target)}{notes_html([_WHAT_ADDS_UP])}{strip_html(parts)}"


def _glimpse(section: Section) -> str:
    return " ".join("".join(piece.text for piece in section.pieces[:_GLIMPSE]).split())[:_GLIMPSE]


def _window_lines(section: Section, target: int) -> Iterator[str]:
    """Where each window of a section lies, and what its own scores add up to."""
    for window in section.windows:
        if target in window.targets:
            yield f"{_placed([window])}: {_own_sum(window, target)}"


def _placed(windows: Sequence["DocumentWindow"]) -> str:
    """Where windows on the same part of the text lie."""
    return f"{windows_name(windows)}, {stretch_name(windows[0].start, windows[0].end)}"


def _own_sum(window: "DocumentWindow", target: int) -> str:
    scores = window.scores[window.targets.index(target)]
    return f"its own scores add up to {sum(scores):+.4g}" if scores else "without scores"


def _heading(explanation: "Explanation", target: int) -> str:
    """What the model answered, and what of it is explained, where not all of the text is."""
    label, probability = outcome(explanation, target)
    chance = "" if probability is None else f" ({probability:.2f})"
    answered = f"{escaped(one_line(label))}{chance}: " if label else ""
    only = explanation.targets[target].target.windows
    where = "" if only is None else f", in {_placed([explanation.windows[each] for each in only])} alone"
    return f"<p>{answered}why <b>{escaped(caption(explanation, target))}</b>{where}</p>"
