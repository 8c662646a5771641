"""Strengths as styles of a terminal, according to the colours that it has."""

from collections.abc import Callable

from rich.console import Console
from rich.style import Style

from ligserve.client.rendering.colours import FAINTEST, rgb_colour

Paint = Callable[[float], Style]

# Of 16 colours none is pale: weak contributions have none, middling ones coloured letters.
_WEAK, _STRONG = 0.15, 0.5


def paint_for(console: Console) -> Paint:
    """How a terminal shows strengths from -1 to 1."""
    return few_colours if console.color_system in ("standard", "windows") else many_colours


def many_colours(strength: float) -> Style:
    """A background as strong as the contribution."""
    if abs(strength) < FAINTEST:
        return Style()
    red, green, blue = rgb_colour(strength)
    return Style(color="black", bgcolor=f"rgb({red},{green},{blue})")


def few_colours(strength: float) -> Style:
    """A background for strong contributions, letters for middling ones."""
    if abs(strength) < _WEAK:
        return Style()
    colour = "green" if strength > 0 else "red"
    return Style(color=colour) if abs(strength) < _STRONG else Style(color="black", bgcolor=colour)
