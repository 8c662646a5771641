"""A strip of colours to jump by, and what it jumps to: parts that unfold."""

from collections.abc import Iterable
from dataclasses import dataclass

from ligserve.client.rendering.colours import css_colour
from ligserve.client.rendering.html import escaped

_STRIP = "display: flex; height: 2em; border: 1px solid; margin: 0.5em 0"
_CELL = "flex: 1 1 0; min-width: 1px; background-color:"
_SUMMARY = "cursor: pointer; padding: 0.2em; color: black; background-color:"


@dataclass(frozen=True, slots=True)
class Part:
    """A cell of the strip, and what it jumps to.

    Attributes:
        anchor: a name of its own in the page.
        name: what it is, in a few words; not escaped.
        glimpse: what its heading shows beside; not escaped.
        strength: its colour, -1 to 1.
        body: HTML; empty: there is nothing to jump to.
        unfolded: whether it is open from the start.
    """

    anchor: str
    name: str
    glimpse: str
    strength: float
    body: str
    unfolded: bool = False


def strip_html(parts: Iterable[Part]) -> str:
    """The strip, and the parts under it."""
    shown = tuple(parts)
    details = "".join(_details(part) for part in shown if part.body)
    return f'<nav style="{_STRIP}">{"".join(map(_cell, shown))}</nav>{details}'


def _cell(part: Part) -> str:
    target = f' href="#{escaped(part.anchor)}"' if part.body else ""
    style = f"{_CELL} {css_colour(part.strength)}"
    return f'<a{target} title="{escaped(part.name)}" style="{style}"></a>'


def _details(part: Part) -> str:
    # Closed ones open when they are jumped to, since browsers reveal what a link points into.
    state = " open" if part.unfolded else ""
    style = f"{_SUMMARY} {css_colour(part.strength)}"
    heading = f"{escaped(part.name)} &nbsp; {escaped(part.glimpse)}"
    return (
        f'<details{state}><summary style="{style}">{heading}</summary>'
        f'<div id="{escaped(part.anchor)}">{part.body}</div></details>'
    )
