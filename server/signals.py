"""SIGTERM and SIGINT, as events that the event loop waits for."""

import asyncio
import signal
from collections.abc import Coroutine
from types import TracebackType

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StartInterruptedError(Exception):
    """A signal came before the server was ready."""


class StopSignals:
    """A context in which the first signal sets stop, and a second one sets force."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self.force = asyncio.Event()

    def __enter__(self) -> "StopSignals":
        for number in _SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, self._heard)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number in _SIGNALS:
            asyncio.get_running_loop().remove_signal_handler(number)

    def _heard(self) -> None:
        (self.force if self.stop.is_set() else self.stop).set()

    async def or_interrupt(self, starting: Coroutine[None, None, None]) -> None:
        """Wait for a start, unless a signal comes first.

        Raises:
            StartInterruptedError: a signal came.
        """
        start = asyncio.ensure_future(starting)
        stopped = asyncio.ensure_future(self.stop.wait())
        await asyncio.wait([start, stopped], return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if start.done():
            return start.result()
        start.cancel()
        raise StartInterruptedError
