"""EstimateCost in the front: places of its own, what the queue adds, and every way to end."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from ligserve.v1 import explanation_service_pb2 as pb
from tests.server.front_harness import Front, ask, failure, noted, running_front


@pytest.fixture
async def front() -> AsyncIterator[Front]:
    async with running_front(jobs_per_worker=1) as front:
        yield front


def queue_seconds(cost: pb.Cost) -> float | None:
    return cost.queue_time.ToNanoseconds() / 1e9 if cost.HasField("queue_time") else None


async def test_the_answer_is_the_workers(front: Front) -> None:
    answer = await front.estimate()
    assert answer.expected.compute_time.seconds == 2
    assert queue_seconds(answer.expected) == queue_seconds(answer.maximum) == 0


async def test_it_does_not_wait_behind_what_is_at_work_or_queued(front: Front) -> None:
    running, _ = await front.hanging()
    waiting = front.stream("hello")
    assert (await waiting.read()).progress.queue_position == 1
    assert (await front.estimate()).expected.compute_time.seconds == 2
    running.cancel()


async def test_a_queue_whose_pace_is_not_known_has_no_time(front: Front) -> None:
    running, _ = await front.hanging()
    assert queue_seconds((await front.estimate()).expected) is None
    running.cancel()


async def test_the_queue_moves_as_fast_as_requests_have_ended(front: Front) -> None:
    await front.explain()
    running, _ = await front.hanging()
    assert queue_seconds((await front.estimate()).expected) == 8
    waiting = front.stream("hello")
    assert (await waiting.read()).progress.queue_position == 1
    assert queue_seconds((await front.estimate()).expected) == 16
    running.cancel()


async def test_others_that_are_at_work_have_their_turns() -> None:
    async with running_front(jobs_per_worker=4) as front:
        streams = [await front.hanging() for _ in range(2)]
        answer = await front.estimate()
        assert queue_seconds(answer.expected) == 2 * 2
        assert queue_seconds(answer.maximum) is None, "its own time is not known"
        for stream, _ in streams:
            stream.cancel()


async def hanging(front: Front) -> Any:
    """An estimate that hangs in the worker: a connection keeps the order of its calls."""
    call = front.explanations.EstimateCost(pb.EstimateCostRequest(request=ask("hang")), timeout=20)
    await front.explain()
    return call


async def test_a_caller_that_leaves_stops_it_in_the_worker(front: Front) -> None:
    call = await hanging(front)
    call.cancel()
    assert (await front.estimate()).windows == 1


async def test_a_callers_deadline_stops_it_in_the_worker(front: Front) -> None:
    error = await failure(front.estimate("hang", timeout=0.3))
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert (await front.estimate()).windows == 1


async def test_the_servers_own_deadline() -> None:
    async with running_front(max_deadline_s=0.2) as front:
        error = await failure(front.estimate("hang"))
        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert "at work" in str(error.details())


async def test_kill_9_ends_it_and_the_next_one_waits_for_another_worker(front: Front) -> None:
    stuck = await hanging(front)
    stream, header = await front.hanging()
    os.kill(int(noted(header, "PID")), signal.SIGKILL)
    error = await failure(stuck)
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert "died" in str(error.details())
    assert (await front.estimate()).HasField("expected")
    stream.cancel()


@pytest.mark.parametrize("text", ["crash", "garbage"])
async def test_a_worker_that_breaks_while_it_is_asked(front: Front, text: str) -> None:
    error = await failure(front.estimate(text))
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert (await front.estimate()).HasField("expected")


async def test_errors_are_the_workers_and_the_fronts(front: Front) -> None:
    codes = {
        "fail 3": grpc.StatusCode.INVALID_ARGUMENT,
        "fail 9": grpc.StatusCode.FAILED_PRECONDITION,
        "unfinished": grpc.StatusCode.INTERNAL,
        " ": grpc.StatusCode.INVALID_ARGUMENT,
    }
    for text, code in codes.items():
        assert (await failure(front.estimate(text))).code() is code
    assert (await failure(front.estimate(model="other"))).code() is grpc.StatusCode.NOT_FOUND
    assert (await front.estimate()).HasField("expected")


async def test_too_many_at_a_time() -> None:
    async with running_front(jobs_per_worker=1, max_queue=1) as front:
        calls = [asyncio.create_task(front.estimate("hang")) for _ in range(3)]
        done, others = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
        error = await failure(done.pop())
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        for other in others:
            other.cancel()
        await asyncio.gather(*others, return_exceptions=True)
