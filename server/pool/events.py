"""A job's events between its worker and the wire."""

import asyncio

from ligserve.v1 import explanation_service_pb2 as service_pb

Event = service_pb.StreamExplainResponse
# (target, window, first token) of an estimate that may be superseded; (position,) of any other event.
_Key = tuple[int, ...]


class EventBuffer:
    """Takes events at the worker's speed and gives them at the client's.

    It is bounded by the size of the answer rather than by its length in time: an estimate that is not final
    takes the place of the one before it, and final scores make it void. All else stays.
    """

    def __init__(self) -> None:
        self._events: dict[_Key, Event] = {}
        self._count = 0
        self._error: Exception | None = None
        self._ended = False
        self._changed = asyncio.Event()

    @property
    def succeeded(self) -> bool:
        """Whether the summary has come."""
        return self._ended and self._error is None

    def put(self, event: Event) -> None:
        """Take an event; a summary is the last one."""
        if self._ended:
            return
        self._events[self._key(event)] = event
        if event.HasField("summary"):
            self._ended = True
        self._changed.set()

    def fail(self, error: Exception) -> None:
        """End with an error, once the events that are there have been given."""
        if not self._ended:
            self._error = error
            self._ended = True
        self._changed.set()

    async def get(self, timeout_s: float) -> Event | None:
        """The next event, or None after the last one.

        Raises:
            TimeoutError: none came in time.
            Exception: the one that the job failed with.
        """
        async with asyncio.timeout(timeout_s):
            while not self._events and not self._ended:
                self._changed.clear()
                await self._changed.wait()
        if self._events:
            return self._events.pop(next(iter(self._events)))
        if self._error is not None:
            raise self._error
        return None

    def _key(self, event: Event) -> _Key:
        if event.HasField("progress"):
            return (0, 0)
        if event.HasField("estimate"):
            estimate = event.estimate
            superseded = (estimate.target, estimate.window, estimate.first_token)
            if not estimate.final:
                return superseded
            self._events.pop(superseded, None)
        self._count += 1
        return (self._count,)
