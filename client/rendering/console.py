"""Explanations on a terminal."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ligserve.client.rendering.captions import caption
from ligserve.client.rendering.colours import strengths
from ligserve.client.rendering.excerpts import excerpt
from ligserve.client.rendering.figures import target_figures, warning_lines, worst_figures
from ligserve.client.rendering.headline import headline
from ligserve.client.rendering.paint import Paint
from ligserve.client.rendering.pieces import Piece, one_line, printable, target_pieces

if TYPE_CHECKING:
    from ligserve.client.types.explanation import Explanation

TOP_WORDS = 8
# Of a long text as many labels as one may want to read on a terminal.
MOST_LABELS = 40


def render(explanation: "Explanation", paint: Paint) -> RenderableType:
    """The prediction, then for each target its text in colours, its figures and its strongest words."""
    return Group(*_parts(explanation, paint))


def _coloured(pieces: Sequence[Piece], paint: Paint) -> Text:
    text = Text()
    for piece, strength in zip(pieces, strengths(p.score or 0.0 for p in pieces), strict=True):
        text.append(printable(piece.text), style=paint(strength))
    return text


def _parts(explanation: "Explanation", paint: Paint) -> Iterator[RenderableType]:
    first = headline(explanation)
    if first is not None:
        yield first
    for warning in warning_lines(explanation):
        yield Text(printable(warning), style="yellow")
    yield from (_labels if explanation.token_predictions else _targets)(explanation, paint)
    yield _legend(paint)


def _targets(explanation: "Explanation", paint: Paint) -> Iterator[RenderableType]:
    for position, target in enumerate(explanation.targets):
        yield Text()
        yield Text.assemble(("why ", "dim"), (printable(caption(explanation, position)), "bold"))
        if explanation.tokens:
            yield _coloured(target_pieces(explanation, position, special=False), paint)
            yield _top_words(explanation, position, paint)
        elif explanation.image_shape is not None:
            yield _top_patches(explanation, position, paint)
        total, exactness, work = target_figures(explanation, target)
        yield Text(f"{total}\n{exactness}; {work}", style="dim")


def _labels(explanation: "Explanation", paint: Paint) -> Iterator[RenderableType]:
    """A row for each label, since there may be as many as tokens; of a long text with a part of it."""
    rows, count = Table.grid(padding=(0, 2, 0, 0)), len(explanation.targets)
    shown = min(count, MOST_LABELS) if explanation.windows else count
    for position in range(shown):
        pieces = (
            excerpt(explanation, position)
            if explanation.windows
            else target_pieces(explanation, position, special=False)
        )
        rows.add_row(Text(printable(caption(explanation, position)), "bold"), _coloured(pieces, paint))
    yield Text()
    yield rows
    if shown < count:
        yield Text(f"and {count - shown} more, which HTML and JSON show", style="dim")
    yield Text(worst_figures(explanation), style="dim")


def _top_words(explanation: "Explanation", position: int, paint: Paint) -> Table:
    table = Table("word", "score", box=None, pad_edge=False, header_style="dim")
    table.columns[1].justify = "right"
    words = explanation.top(TOP_WORDS, position)
    for word, strength in zip(words, strengths(word.score for word in words), strict=True):
        table.add_row(Text(printable(one_line(word.text))), Text(f"{word.score:+.4f}", style=paint(strength)))
    return table


def _top_patches(explanation: "Explanation", position: int, paint: Paint) -> Table:
    table = Table("patch", "pixels", "score", box=None, pad_edge=False, header_style="dim")
    table.columns[2].justify = "right"
    patches = explanation.top_patches(TOP_WORDS, position)
    for patch, strength in zip(patches, strengths(patch.score for patch in patches), strict=True):
        place = f"row {patch.row}, column {patch.column}"
        pixels = f"{patch.left}..{patch.right - 1} x {patch.top}..{patch.bottom - 1}"
        table.add_row(place, pixels, Text(f"{patch.score:+.4f}", style=paint(strength)))
    return table


def _legend(paint: Paint) -> Text:
    against, favour = paint(-1.0), paint(1.0)
    return Text.assemble("\n", (" against ", against), " ", (" in favour ", favour))
