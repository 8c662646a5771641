"""The parts of the pool that need no process."""

import asyncio
import time
from itertools import groupby

import pytest

from ligserve.server import progress
from ligserve.server.pool.backoff import Backoff, BackoffPolicy
from ligserve.server.pool.events import Event, EventBuffer
from ligserve.server.pool.job import ExplainJob
from ligserve.v1 import explanation_service_pb2 as pb


def estimate(first: int, score: float, *, final: bool = False) -> Event:
    return Event(estimate=pb.Estimate(first_token=first, scores=[score], final=final))


def done(windows: int) -> Event:
    return Event(progress=pb.Progress(windows=2, windows_done=windows))


async def drained(buffer: EventBuffer) -> list[Event]:
    events = []
    while (event := await buffer.get(1.0)) is not None:
        events.append(event)
    return events


async def test_superseded_estimates_are_dropped_and_nothing_else() -> None:
    buffer = EventBuffer()
    header, summary = Event(header=pb.Header(model="m")), Event(summary=pb.Summary())
    finals = [estimate(0, 5.0, final=True), estimate(256, 6.0, final=True)]
    other = Event(estimate=pb.Estimate(target=1, scores=[7.0]))
    buffer.put(header)
    for n in range(1000):
        buffer.put(estimate(0, float(n)))
        buffer.put(estimate(256, float(n)))
        buffer.put(other)
    for event in [*finals, summary]:
        buffer.put(event)
    assert await drained(buffer) == [header, other, *finals, summary]


async def test_an_estimate_that_is_begun_is_given_whole() -> None:
    """Else a slow reader would get the first chunk of one round and the second one of the next."""
    buffer = EventBuffer()
    first = [estimate(0, 1.0), estimate(256, 1.1), estimate(512, 1.2)]
    other = Event(estimate=pb.Estimate(target=1, scores=[7.0]))
    second = [estimate(0, 2.0), estimate(256, 2.1), estimate(512, 2.2)]
    finals = [estimate(0, 3.0, final=True), estimate(256, 3.1, final=True)]
    buffer.put(first[0])
    buffer.put(other)
    assert [await buffer.get(1.0), await buffer.get(1.0)] == [first[0], other]
    for event in first[1:]:
        buffer.put(event)
    assert await buffer.get(1.0) == first[1]
    for event in second:
        buffer.put(event)
    assert [await buffer.get(1.0), await buffer.get(1.0)] == [first[2], second[0]]
    for event in [*finals, Event(summary=pb.Summary())]:
        buffer.put(event)
    assert await drained(buffer) == [*second[1:], *finals, Event(summary=pb.Summary())]


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


async def test_a_preview_stays_whatever_comes_after_it() -> None:
    buffer = EventBuffer()
    preview = Event(estimate=pb.Estimate(scores=[0.5], preview=True))
    finals = [estimate(0, 1.0, final=True)]
    for event in [preview, estimate(0, 0.9), *finals, Event(summary=pb.Summary())]:
        buffer.put(event)
    assert await drained(buffer) == [preview, *finals, Event(summary=pb.Summary())]


async def test_progress_comes_behind_all_that_it_counts() -> None:
    buffer = EventBuffer()
    scores, words = estimate(0, 1.0, final=True), [done(0), done(1)]
    for event in [words[0], scores, words[1]]:
        buffer.put(event)
    buffer.put(Event(summary=pb.Summary()))
    assert await drained(buffer) == [scores, words[1], Event(summary=pb.Summary())]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress is always due."""
    monkeypatch.setattr(progress, "LONGEST_SILENCE_S", 0.0)
    monkeypatch.setattr(progress, "SHORTEST_INTERVAL_S", 0.0)


def job_with(*events: Event) -> ExplainJob:
    job = ExplainJob(
        request_id="1",
        request=pb.ExplainRequest(),
        deadline=time.monotonic() + 60,
        partial_estimates=True,
        estimate_interval=0.0,
    )
    for event in events:
        job.events.put(event)
    return job


async def told(job: ExplainJob) -> list[str | int]:
    """What comes: the windows that are done for progress, the name of anything else."""
    heard: list[str | int] = []
    async for event in progress.with_progress(job, lambda _: 0):
        kind = event.WhichOneof("event")
        heard.append(event.progress.windows_done if kind == "progress" else str(kind))
    return heard


@pytest.mark.usefixtures("impatient")
async def test_nothing_is_said_after_the_summary() -> None:
    assert await told(job_with(done(0), Event(summary=pb.Summary()))) == [0, "summary"]


@pytest.mark.usefixtures("impatient")
async def test_windows_whose_scores_are_out_are_counted_before_anything_is_said() -> None:
    job = job_with(done(0))
    scores = estimate(0, 1.0, final=True)
    heard = asyncio.create_task(told(job))
    for event in (scores, done(1), scores, done(2), Event(summary=pb.Summary())):
        await asyncio.sleep(0.05)
        job.events.put(event)
    without_repeats = [what for what, _ in groupby(await heard)]
    assert without_repeats == [0, "estimate", 1, "estimate", 2, "summary"]


async def test_the_last_windows_are_counted_before_the_summary() -> None:
    """Also where progress is not due yet."""
    job = job_with(estimate(0, 1.0, final=True), done(2), Event(summary=pb.Summary()))
    assert await told(job) == ["estimate", 2, "summary"]


def test_back_off_doubles_up_to_its_limit_and_forgets_after_a_long_life() -> None:
    backoff = Backoff(BackoffPolicy(first_s=1.0, longest_s=5.0, stable_s=60.0))
    assert [backoff.next_delay(0.1) for _ in range(4)] == [1.0, 2.0, 4.0, 5.0]
    assert backoff.looping
    assert backoff.next_delay(61.0) == 1.0
    assert not backoff.looping
