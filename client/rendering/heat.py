"""A long text while its scores come: as one line of colours, and the part of it that fits on a screen."""

from collections.abc import Sequence
from itertools import pairwise

from rich.style import Style
from rich.text import Text

from ligserve.client.document_scores import RunningScores
from ligserve.client.rendering.colours import strengths
from ligserve.client.rendering.paint import Paint
from ligserve.client.rendering.pieces import printable

_UNKNOWN = Style(dim=True)


def cells_of(scores: Sequence[float], cells: int) -> list[float]:
    """The sums of scores over at most so many stretches of equal length."""
    count = max(1, min(cells, len(scores)))
    edges = [len(scores) * cell // count for cell in range(count + 1)]
    return [sum(scores[start:end]) for start, end in pairwise(edges)]


def heat_strip(running: RunningScores, width: int, paint: Paint) -> Text:
    """The text of a stream so far, for a terminal of so many columns; dots where nothing is known yet."""
    sums = cells_of(running.scores, width)
    known = cells_of([float(each) for each in running.known], len(sums))
    strip = Text(no_wrap=True)
    for strength, any_known in zip(strengths(sums), known, strict=True):
        style = paint(strength)
        # A space shows a background, but no colour of letters.
        sign = " " if style.bgcolor else "━"
        strip.append(sign if any_known else "·", style=style if any_known else _UNKNOWN)
    return strip


def heated_text(running: RunningScores, text: str, room: int, paint: Paint) -> Text:
    """So many characters of a text in the colours so far, dim where nothing is known yet.

    All of it if there is room; else from where the newest window starts.

    Args:
        running: the scores so far.
        text: the long text.
        room: number of characters.
        paint: colours.
    """
    largest = max(map(abs, running.scores)) or 1.0
    start = end = 0 if len(text) <= room else running.newest.start
    shown = Text()
    for token, score, known in running.tokens(start):
        if token.end > start + room:
            break
        shown.append(_on_one_line(text[end : token.start]), style=_UNKNOWN)
        style = paint(score / largest) if known else _UNKNOWN
        # Tokens may share characters.
        shown.append(_on_one_line(text[max(end, token.start) : token.end]), style=style)
        end = max(end, token.end)
    return shown


def _on_one_line(text: str) -> str:
    return printable(text).replace("\n", " ")
