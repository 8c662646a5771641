"""A job's events between its worker and the wire."""

import asyncio
from collections import deque

from ligserve.v1 import explanation_service_pb2 as service_pb

Event = service_pb.StreamExplainResponse
# (target, window) of an estimate that may be superseded; () of progress; (position,) of anything else.
_Key = tuple[int, ...]
# An event, or the chunks of one estimate that is not final, in order.
_Group = deque[Event]


class EventBuffer:
    """Takes events at the worker's speed and gives them at the client's.

    It is bounded by the size of the answer rather than by its length in time: an estimate that is not final
    takes the place of the one before it, and final scores make it void; of progress only the last word stays,
    behind all that it counts. All else stays, previews too. An estimate whose first chunk is given is given
    whole, before the next one of its target and window.
    """

    def __init__(self) -> None:
        self._groups: dict[_Key, _Group] = {}
        self._begun: _Group = deque()
        self._latest: dict[_Key, tuple[_Key, _Group]] = {}
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
        if event.HasField("estimate") and not event.estimate.preview:
            self._put_chunk(event)
        else:
            self._put_whole(event)
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
            while not self._begun and not self._groups and not self._ended:
                self._changed.clear()
                await self._changed.wait()
        if not self._begun and self._groups:
            self._begun = self._groups.pop(next(iter(self._groups)))
        if self._begun:
            return self._begun.popleft()
        if self._error is not None:
            raise self._error
        return None

    def _put_whole(self, event: Event) -> None:
        """Progress comes after all that it counts, so its place is the last one."""
        if event.HasField("progress"):
            self._groups.pop((), None)
        self._groups[() if event.HasField("progress") else self._next_key()] = deque([event])

    def _put_chunk(self, event: Event) -> None:
        place = (event.estimate.target, event.estimate.window)
        if event.estimate.final:
            self._groups.pop(place, None)
            self._latest.pop(place, None)
            self._groups[self._next_key()] = deque([event])
            return
        if event.estimate.first_token == 0 or place not in self._latest:
            self._add_group(place, place)
        elif self._given(place):
            self._add_group(place, self._next_key())
        self._latest[place][1].append(event)

    def _add_group(self, place: _Key, key: _Key) -> None:
        group = self._groups[key] = _Group()
        self._latest[place] = key, group

    def _given(self, place: _Key) -> bool:
        """Whether all chunks so far of a place's latest estimate are given."""
        key, group = self._latest[place]
        return self._groups.get(key) is not group and self._begun is not group

    def _next_key(self) -> _Key:
        self._count += 1
        return (self._count,)
