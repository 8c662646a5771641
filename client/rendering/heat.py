"""A long text as one line of colours: a cell for each stretch of it."""

from collections.abc import Sequence
from itertools import pairwise

from rich.style import Style
from rich.text import Text

from ligserve.client.document_scores import RunningScores
from ligserve.client.rendering.colours import rgb_colour, strengths


def cells_of(scores: Sequence[float], cells: int) -> list[float]:
    """The sums of scores over at most so many stretches of equal length."""
    count = max(1, min(cells, len(scores)))
    edges = [len(scores) * cell // count for cell in range(count + 1)]
    return [sum(scores[start:end]) for start, end in pairwise(edges)]


def heat_strip(running: RunningScores, width: int) -> Text:
    """The text of a stream so far, for a terminal of so many columns; dots where nothing is known yet."""
    sums = cells_of(running.scores, width)
    known = cells_of([float(each) for each in running.known], len(sums))
    strip = Text(no_wrap=True)
    for strength, any_known in zip(strengths(sums), known, strict=True):
        red, green, blue = rgb_colour(strength)
        style = Style(bgcolor=f"rgb({red},{green},{blue})") if any_known else Style(dim=True)
        strip.append(" " if any_known else "·", style=style)
    return strip
