"""Tables of HTML that look like captum's visualize_text, with everything escaped.

Styles are inline and no script is used, so that notebooks show the table wherever it is pasted.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from html import escape
from typing import TYPE_CHECKING

from ligserve.client.images.picture import picture_url
from ligserve.client.rendering.captions import caption, outcome
from ligserve.client.rendering.colours import FAINTEST, css_colour, strengths
from ligserve.client.rendering.figures import figure_lines, warning_lines
from ligserve.client.rendering.pieces import Piece, printable, target_pieces

if TYPE_CHECKING:
    from ligserve.client.types.explanation import Explanation

COLUMNS = ("True Label", "Predicted Label", "Attribution Label", "Attribution Score", "Word Importance")
_TOOLTIPS = {"Attribution Score": "Sum of the normalised scores: scores divided by their L2 norm."}
_LEGEND = ((-1.0, "Negative"), (0.0, "Neutral"), (1.0, "Positive"))
_CELL = "padding: 0.4em 2em 0.4em 0; text-align: left; vertical-align: top"
WORDS_STYLE = "line-height: 1.75; white-space: pre-wrap; overflow-wrap: anywhere"
_WORDS_CELL = f"{_CELL}; width: 70%; {WORDS_STYLE}"
_FIGURES = "font-size: smaller; margin-top: 0.3em; overflow-wrap: anywhere"
_MARK = "color: black; padding: 0.1em 0; border-radius: 2px; background-color:"
_IMAGE = "max-width: 100%; image-rendering: pixelated"
_SWATCH = "display: inline-block; width: 10px; height: 10px; border: 1px solid; background-color:"


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table.

    Attributes:
        true_label: the right answer, as the caller knows it.
        predicted_label: the model's answer.
        probability: shown beside the predicted label; None: nothing.
        attribution_label: the class that the scores explain.
        attribution_score: sum of the scores.
        pieces: the text, with scores.
        picture: HTML that takes the text's place; empty: none does.
    """

    true_label: str
    predicted_label: str
    probability: float | None
    attribution_label: str
    attribution_score: float
    pieces: tuple[Piece, ...]
    picture: str = ""


@dataclass(frozen=True, slots=True)
class Html:
    """A fragment of HTML that notebooks show; `data` holds its source."""

    data: str

    def _repr_html_(self) -> str:
        return self.data

    def __str__(self) -> str:
        return self.data


def explanation_rows(explanation: "Explanation") -> tuple[Row, ...]:
    """One row per target of an explanation."""
    return tuple(map(partial(_explanation_row, explanation), range(len(explanation.targets))))


def table(rows: Iterable[Row], columns: Sequence[str] = COLUMNS, notes: Iterable[str] = ()) -> str:
    """The legend, the table and notes under it, as a fragment to be put into a page."""
    head, body = "".join(map(_heading, columns)), "".join(map(_row, rows))
    return (
        f'<div class="ligserve">{legend()}<table style="width: 100%; border-collapse: collapse">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{notes_html(notes)}</div>"
    )


def notes_html(notes: Iterable[str]) -> str:
    """Notes, each on a line of its own."""
    return "".join(f'<div dir="auto" style="{_FIGURES}">{escaped(note)}</div>' for note in notes)


def explanation_notes(explanation: "Explanation") -> tuple[str, ...]:
    """What goes under the table: how exact each target is, then the server's warnings."""
    return figure_lines(explanation) + warning_lines(explanation)


def page(fragment: str, title: str) -> str:
    """A whole HTML5 document."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escaped(title)}</title>\n</head>\n"
        f'<body style="font-family: sans-serif; margin: 1em">\n{fragment}\n</body>\n</html>\n'
    )


def _explanation_row(explanation: "Explanation", position: int) -> Row:
    label, probability = outcome(explanation, position)
    return Row(
        true_label="",
        predicted_label=label,
        probability=probability,
        attribution_label=caption(explanation, position),
        attribution_score=sum(explanation.targets[position].normalised_scores),
        pieces=target_pieces(explanation, position),
        picture=_picture(explanation, position),
    )


def _picture(explanation: "Explanation", target: int) -> str:
    """An image under its scores; a note where the packages that draw it are missing. Empty for a text."""
    if explanation.image_shape is None:
        return ""
    try:
        source = picture_url(explanation, target)
    except ImportError as error:
        return escaped(f"no picture: {error}")
    return f'<img style="{_IMAGE}" alt="scores over the image" src="{source}">'


def _heading(column: str) -> str:
    tooltip = f' title="{_TOOLTIPS[column]}"' if column in _TOOLTIPS else ""
    return f'<th style="{_CELL}"{tooltip}>{column}</th>'


def _row(row: Row) -> str:
    predicted = row.predicted_label
    if row.probability is not None:
        predicted += f" ({row.probability:.2f})"
    labels = (row.true_label, predicted, row.attribution_label, f"{row.attribution_score:.2f}")
    cells = "".join(f'<td style="{_CELL}"><b>{escaped(label)}</b></td>' for label in labels)
    shades = strengths(piece.score or 0.0 for piece in row.pieces)
    shown = row.picture or words_html(row.pieces, shades)
    return f'<tr>{cells}<td dir="auto" style="{_WORDS_CELL}">{shown}</td></tr>'


def words_html(pieces: Sequence[Piece], shades: Sequence[float]) -> str:
    """The pieces of a text, each on a background of its shade, -1 to 1."""
    return "".join(map(_piece, pieces, shades))


def words_block(pieces: Sequence[Piece], shades: Sequence[float]) -> str:
    """The same for a part of a long text, as a block in the direction of its writing.

    Faint pieces stay without colour and score: there are many, and a page of them all would be too large.
    """
    shown = "".join(map(_short_piece, pieces, shades))
    return f'<div dir="auto" style="{WORDS_STYLE}">{shown}</div>'


def _piece(piece: Piece, strength: float) -> str:
    if piece.score is None:
        return escaped(piece.text)
    gap = " " if piece.special else ""
    style = f"{_MARK} {css_colour(strength)}"
    return f'{gap}<mark style="{style}" title="{piece.score:+.6g}">{escaped(piece.text)}</mark>{gap}'


def _short_piece(piece: Piece, strength: float) -> str:
    text = escaped(piece.text)
    if piece.score is None or abs(strength) < FAINTEST:
        return text
    style = f"color:#000;background:{css_colour(strength)}"
    return f'<mark style="{style}" title="{piece.score:+.3g}">{text}</mark>'


def legend() -> str:
    """What the colours mean."""
    swatches = " ".join(
        f'<span style="{_SWATCH} {css_colour(strength)}"></span> {label}' for strength, label in _LEGEND
    )
    return (
        f'<div style="border-top: 1px solid; margin: 5px 0; padding-top: 5px"><b>Legend:</b> {swatches}</div>'
    )


def escaped(text: str) -> str:
    """Text that shows as itself in HTML."""
    return escape(printable(text), quote=True)
