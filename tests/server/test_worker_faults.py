"""Workers that die."""

import asyncio
import contextlib
import os
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2

from ligserve.server.pool.handle import WorkerStartError
from ligserve.v1 import model_service_pb2 as model_pb
from tests.server.front_harness import Front, failure, health_stub, noted, rest_of, running_front


async def two_hanging(front: Front) -> dict[int, Any]:
    """A hanging stream on each of two workers, by the workers' processes."""
    streams = {}
    for _ in range(2):
        stream, header = await front.hanging()
        streams[int(noted(header, "PID"))] = stream
    assert len(streams) == 2
    return streams


async def test_kill_9_ends_the_workers_jobs_at_once_and_no_others() -> None:
    async with running_front(workers=2) as front:
        streams = await two_hanging(front)
        (victim, affected), (_, unaffected) = streams.items()
        killed_at = time.monotonic()
        os.kill(victim, signal.SIGKILL)
        error = await failure(rest_of(affected))
        assert time.monotonic() - killed_at < 0.1
        assert error.code() is grpc.StatusCode.UNAVAILABLE
        assert "died" in str(error.details())
        assert (await front.explain()).HasField("summary")
        await front.pool_size(2)
        assert not unaffected.done()
        pids = {noted((await front.hanging())[1], "PID") for _ in range(3)}
        assert str(victim) not in pids
        assert len(pids) == 2


async def test_a_job_that_crashes_its_worker() -> None:
    async with running_front() as front:
        error = await failure(front.explain("crash"))
        assert error.code() is grpc.StatusCode.UNAVAILABLE
        # The pool is empty for a moment; the request waits for the replacement.
        assert (await front.explain()).HasField("summary")


async def test_a_worker_that_sends_garbage_is_replaced() -> None:
    async with running_front() as front:
        error = await failure(front.explain("garbage"))
        assert error.code() is grpc.StatusCode.UNAVAILABLE
        assert (await front.explain()).HasField("summary")


async def test_crash_loop_backs_off_and_shows_in_health() -> None:
    async with running_front("crash-loop") as front:
        watch = health_stub(front.channel).Watch(health_pb2.HealthCheckRequest(service=""))
        async for answer in watch:
            if answer.status == health_pb2.HealthCheckResponse.NOT_SERVING and front.pool.crash_looping:
                break
        watch.cancel()
        assert front.pool.retry_after_s >= 0.2
        changed = asyncio.Event()
        front.pool.on_change(changed.set)
        while not front.pool.crash_looping:
            changed.clear()
            await changed.wait()
        error = await failure(front.explain())
        assert error.code() is grpc.StatusCode.UNAVAILABLE


async def test_while_models_load_requests_wait(tmp_path: Path) -> None:
    fifo = tmp_path / "go"
    os.mkfifo(fifo)
    async with running_front(f"wait:{fifo}", loaded=False) as front:
        health = health_stub(front.channel)
        status = (await health.Check(health_pb2.HealthCheckRequest())).status
        assert status == health_pb2.HealthCheckResponse.NOT_SERVING
        error = await failure(front.models.ListModels(model_pb.ListModelsRequest()))
        assert error.code() is grpc.StatusCode.UNAVAILABLE
        waiting = front.stream()
        assert (await waiting.read()).progress.queue_position == 1
        await asyncio.to_thread(fifo.write_bytes, b"go")
        assert (await rest_of(waiting))[-1].HasField("summary")


async def test_after_a_storm_every_place_is_free_again() -> None:
    texts = ["hello", "stream 30", "hang", "crash", "fail 3", "chunks", "unfinished"]
    async with running_front(workers=2, jobs_per_worker=2) as front:

        async def client(number: int) -> None:
            stream = front.stream(texts[number % len(texts)], timeout=1)
            with contextlib.suppress(grpc.aio.AioRpcError, asyncio.CancelledError):
                await stream.read()
                if number % 3 == 0:
                    stream.cancel()
                await rest_of(stream)

        await asyncio.gather(*(client(n) for n in range(70)))
        await front.pool_size(2)
        streams = [await front.hanging() for _ in range(4)]
        assert sorted(Counter(noted(header, "PID") for _, header in streams).values()) == [2, 2]


@pytest.mark.parametrize(
    ("source", "message"), [("refuse", "broken"), ("exit", r"worker-0 ended .* \(exit code 3\)")]
)
async def test_a_first_start_that_fails_ends_the_start(source: str, message: str) -> None:
    with pytest.raises(WorkerStartError, match=message):
        async with running_front(source):
            pass
