"""Progress in plain lines on standard error, where that is a file or a pipe."""

import time

import typer

from ligserve.client.types.events import Event, ProgressEvent

# Few enough that a log stays readable.
INTERVAL_S = 5.0


class ProgressLines:
    """Says from time to time how far a stream is.

    Args:
        interval: at most one line in so many seconds; the first comes at once.
    """

    def __init__(self, interval: float = INTERVAL_S) -> None:
        self._interval = interval
        self._next = 0.0
        self._last = ""

    def show(self, event: Event) -> None:
        """Take notice of an event."""
        if not isinstance(event, ProgressEvent) or time.monotonic() < self._next:
            return
        line = progress_line(event)
        if line != self._last:
            typer.echo(f"ligserve: {line}", err=True)
            self._next, self._last = time.monotonic() + self._interval, line


def progress_line(event: ProgressEvent) -> str:
    """How far a stream is, in a sentence."""
    if event.queue_position > 0:
        return f"waiting, place {event.queue_position} in the queue"
    if event.windows_predicted < event.windows:
        return f"reading windows, {event.windows_predicted} of {event.windows}"
    if not event.windows:
        return f"explaining, {event.points_done} of {event.points_planned} points"
    done = f"explaining windows, {event.windows_done} of {event.windows}"
    left = f"; {event.unexplained[0]:+.4g} left unexplained" if len(event.unexplained) == 1 else ""
    return done + left
