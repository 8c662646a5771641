"""How an explanation is shown: as HTML, in a notebook, on a terminal."""

from pathlib import Path
from typing import TYPE_CHECKING, cast

from ligserve.client.rendering.document_html import document_html
from ligserve.client.rendering.html import explanation_notes, explanation_rows, page, table
from ligserve.client.rendering.labels_html import labels_html

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

    from ligserve.client.types.document import DocumentWindow
    from ligserve.client.types.explanation import Explanation


class Shown:
    """What draws itself; a part of `Explanation`."""

    __slots__ = ()

    if TYPE_CHECKING:
        model: str
        windows: tuple[DocumentWindow, ...]

    def html(self) -> str:
        """A table like captum's as a fragment of HTML, one row per target, and how exact each is.

        A long text is a strip of colours to jump by, and its windows to unfold; of the labels of its tokens
        each has what stands around it.
        """
        shown = cast("Explanation", self)
        if self.windows:
            return labels_html(shown) if shown.token_predictions else document_html(shown)
        return table(explanation_rows(shown), notes=explanation_notes(shown))

    def save_html(self, path: str | Path) -> None:
        """Write the table as a page of HTML.

        Raises:
            OSError: the file cannot be written.
        """
        Path(path).write_text(page(self.html(), title=f"Explanation by {self.model}"), encoding="utf-8")

    def _repr_html_(self) -> str:
        return self.html()

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        from ligserve.client.rendering.console import render
        from ligserve.client.rendering.paint import paint_for

        yield render(cast("Explanation", self), paint_for(console))

    def print(self) -> None:
        """Print the texts on the terminal, coloured by contribution."""
        from rich.console import Console

        Console().print(self)
