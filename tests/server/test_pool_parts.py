"""The parts of the pool that need no process."""

import pytest

from ligserve.server.pool.backoff import Backoff, BackoffPolicy
from ligserve.server.pool.events import Event, EventBuffer
from ligserve.v1 import explanation_service_pb2 as pb


def estimate(first: int, score: float, *, final: bool = False) -> Event:
    return Event(estimate=pb.Estimate(first_token=first, scores=[score], final=final))


async def drained(buffer: EventBuffer) -> list[Event]:
    events = []
    while (event := await buffer.get(1.0)) is not None:
        events.append(event)
    return events


async def test_superseded_estimates_are_dropped_and_nothing_else() -> None:
    buffer = EventBuffer()
    header, summary = Event(header=pb.Header(model="m")), Event(summary=pb.Summary())
    finals = [estimate(0, 5.0, final=True), estimate(256, 6.0, final=True)]
    buffer.put(header)
    for n in range(1000):
        buffer.put(estimate(0, float(n)))
        buffer.put(estimate(512, float(n)))
    for event in [*finals, summary]:
        buffer.put(event)
    assert await drained(buffer) == [header, estimate(512, 999.0), *finals, summary]


async def test_an_error_comes_after_the_events_before_it() -> None:
    buffer = EventBuffer()
    buffer.put(estimate(0, 1.0))
    buffer.fail(ValueError("late"))
    assert await buffer.get(1.0) == estimate(0, 1.0)
    with pytest.raises(ValueError, match="late"):
        await buffer.get(1.0)


async def test_nothing_follows_the_summary() -> None:
    buffer = EventBuffer()
    buffer.put(Event(summary=pb.Summary()))
    buffer.fail(ValueError("too late"))
    buffer.put(estimate(0, 1.0))
    assert buffer.succeeded
    assert await drained(buffer) == [Event(summary=pb.Summary())]


def test_back_off_doubles_up_to_its_limit_and_forgets_after_a_long_life() -> None:
    backoff = Backoff(BackoffPolicy(first_s=1.0, longest_s=5.0, stable_s=60.0))
    assert [backoff.next_delay(0.1) for _ in range(4)] == [1.0, 2.0, 4.0, 5.0]
    assert backoff.looping
    assert backoff.next_delay(61.0) == 1.0
    assert not backoff.looping
