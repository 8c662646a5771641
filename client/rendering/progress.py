"""A progress bar on standard error, where that is a terminal."""

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ligserve.client.document_scores import RunningScores
from ligserve.client.rendering.heat import heat_strip, heated_text
from ligserve.client.rendering.paint import paint_for
from ligserve.client.types.events import EstimateEvent, Event, HeaderEvent, ProgressEvent

# Of a screen: the strip, the bar, the line before them, and what breaking lines between words takes.
_OTHER_LINES = 6


class ProgressBar:
    """Shows how far a stream is; of a long text also how it fills with colour as windows finish.

    Where standard error is no terminal, it shows nothing.

    Args:
        texts: the caller's texts.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._console = Console(stderr=True)
        self._texts = texts
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._bars = Progress(*columns, console=self._console)
        self._bar = self._bars.add_task("asking", total=None)
        self._scores: RunningScores | None = None
        self._live = Live(console=self._console, transient=True, get_renderable=self._rendered)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, event: Event) -> None:
        """Take notice of an event."""
        match event:
            case HeaderEvent(document=document, targets=targets):
                self._scores = None if document is None else RunningScores(document, targets)
                self._bars.update(self._bar, description="explaining")
            case EstimateEvent() if self._scores is not None:
                self._scores.add(event)
            case ProgressEvent():
                self._show_progress(event)

    def _show_progress(self, event: ProgressEvent) -> None:
        if event.queue_position > 0:
            waiting = f"waiting, place {event.queue_position} in the queue"
            self._bars.update(self._bar, description=waiting)
        elif event.windows_predicted < event.windows:
            self._update("reading windows", event.windows_predicted, event.windows)
        elif event.windows:
            self._update("explaining windows", event.windows_done, event.windows)
        else:
            self._update("explaining", event.points_done, event.points_planned)

    def _update(self, description: str, done: int, planned: int) -> None:
        self._bars.update(self._bar, description=description, completed=done, total=planned or None)

    def _rendered(self) -> RenderableType:
        if self._scores is None:
            return self._bars
        width, paint = self._console.width, paint_for(self._console)
        strip = heat_strip(self._scores, width, paint)
        room = width * (self._console.height - _OTHER_LINES)
        text = heated_text(self._scores, self._texts[self._scores.segment], room, paint)
        return Group(text, strip, self._bars)
