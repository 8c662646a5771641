"""Counts the calls that are being served, and lets no more in once the server drains."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from ligserve.server.errors import UnavailableError
from ligserve.server.interceptors.wrapping import AroundCall, Context

DRAINING_RETRY_S = 1.0
_ALWAYS_OPEN = "/grpc."


class Admission(AroundCall):
    """The door. Health and reflection pass it uncounted: their streams may stay open for ever."""

    def __init__(self) -> None:
        self._open = True
        self._calls: set[Context] = set()
        self._idle = asyncio.Event()
        self._idle.set()

    def close(self) -> None:
        """Refuse calls from now on."""
        self._open = False

    async def wait_idle(self) -> None:
        """Wait until no call is being served and every status has been sent."""
        await self._idle.wait()

    @contextlib.asynccontextmanager
    async def around(self, method: str, request: Any, context: Context) -> AsyncIterator[None]:
        """Count the call, or refuse it."""
        if not method.startswith(_ALWAYS_OPEN):
            self._enter(context)
        yield

    def _enter(self, context: Context) -> None:
        if not self._open:
            raise UnavailableError(
                "the server is shutting down", reason="DRAINING", retry_after_s=DRAINING_RETRY_S
            )
        self._calls.add(context)
        self._idle.clear()
        # Not at the end of the block: the call's status is sent only after it.
        context.add_done_callback(lambda _: self._leave(context))  # type: ignore[arg-type]  # wrong stub

    def _leave(self, context: Context) -> None:
        self._calls.discard(context)
        if not self._calls:
            self._idle.set()
