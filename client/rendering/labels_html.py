"""Labels of a long text as HTML: a strip to jump by, and its windows to unfold."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ligserve.client.rendering.captions import caption, outcome
from ligserve.client.rendering.colours import strengths
from ligserve.client.rendering.excerpts import excerpt
from ligserve.client.rendering.figures import warning_lines, worst_figures
from ligserve.client.rendering.html import escaped, legend, notes_html, words_block
from ligserve.client.rendering.sections import grouped, windows_name
from ligserve.client.rendering.strip import Part, strip_html

if TYPE_CHECKING:
    from ligserve.client.types.explanation import Explanation

# So many labels of a section are in its heading.
_GLIMPSE = 6


def labels_html(explanation: "Explanation") -> str:
    """For each explained token its label, and what stands around it in colours; then how exact all are."""
    notes = notes_html((worst_figures(explanation), *warning_lines(explanation)))
    return f'<div class="ligserve">{legend()}{strip_html(_parts(explanation))}{notes}</div>'


def _parts(explanation: "Explanation") -> Iterator[Part]:
    sections = grouped(explanation.windows)
    targets = [[target for window in section for target in window.targets] for section in sections]
    for section, own, strength in zip(sections, targets, strengths(map(len, targets)), strict=True):
        glimpse = ", ".join(caption(explanation, target) for target in own[:_GLIMPSE])
        yield Part(
            anchor=f"{explanation.request_id}-{section[0].index}",
            name=f"{windows_name(section)}: {len(own)} labels",
            glimpse=glimpse + (", …" if len(own) > _GLIMPSE else ""),
            strength=strength,
            body="".join(_label(explanation, target) for target in own),
        )


def _label(explanation: "Explanation", target: int) -> str:
    pieces = excerpt(explanation, target)
    shades = strengths(piece.score or 0.0 for piece in pieces)
    _, probability = outcome(explanation, target)
    chance = "" if probability is None else f" ({probability:.2f})"
    return f"<p><b>{escaped(caption(explanation, target))}</b>{chance}</p>{words_block(pieces, shades)}"
