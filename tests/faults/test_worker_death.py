"""Workers that die, stop or hang, under load."""

import asyncio
import os
import signal
import time
from contextlib import AsyncExitStack
from typing import Any

import psutil
import pytest

from benchmarks.texts import SHORT
from ligserve.client import AsyncClient, DeadlineExceededError, SequenceClassification
from tests.faults.jobs import Ending, begun_stream, unary
from tests.live_server import LiveServer

DETECTION_S = 0.1


async def healed(server: LiveServer, since: int) -> None:
    """Wait until both workers are there."""
    await asyncio.to_thread(server.lines.wait_for, "worker ready", after=since, ready=2)
    async with AsyncClient(server.address) as client:
        models = await client.models()
    assert [list(model.workers) for model in models] == [["worker-0", "worker-1"]] * len(models)
    assert len(server.workers()) == 2


async def kill(victim: psutil.Process) -> float:
    """Kill a process and wait for its death; tells when it was, on the monotonic clock.

    The kernel first takes the process's memory back and only then closes its sockets, 30 to 80 ms later for
    torch on an idle machine; no front can know of the death before.
    """
    death = asyncio.Event()
    descriptor = os.pidfd_open(victim.pid)
    loop = asyncio.get_running_loop()
    loop.add_reader(descriptor, death.set)
    try:
        victim.kill()
        await death.wait()
        return time.monotonic()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


async def two_clients(stack: AsyncExitStack, server: LiveServer, **options: Any) -> list[AsyncClient]:
    return [await stack.enter_async_context(AsyncClient(server.address, **options)) for _ in range(2)]


async def load(clients: list[AsyncClient]) -> "list[asyncio.Task[Ending]]":
    """A unary call and two streams of each client, half of them on each worker; all in flight.

    Which worker has which, their texts decide.

    A connection keeps the order of its calls: once the stream has begun, so has the unary call before it.
    """
    in_flight = []
    for client, model in zip(clients, ("bert", "sentiment"), strict=True):
        in_flight.append(asyncio.create_task(unary(client, model)))
        in_flight += [await begun_stream(client, model) for _ in range(2)]
    return in_flight


async def test_kill_9_under_load_fails_that_workers_requests_within_100_ms_and_no_others(
    pair: LiveServer,
) -> None:
    async with AsyncExitStack() as stack:
        in_flight = await load(await two_clients(stack, pair, max_attempts=1))
        victim, since = pair.workers()[0], len(pair.lines)
        assert not any(call.done() for call in in_flight)
        died_at = await kill(victim)
        endings = await asyncio.gather(*in_flight)
    failed = [ending for ending in endings if ending.error]
    assert len(failed) == len(in_flight) // 2
    assert max(ending.at for ending in failed) - died_at < DETECTION_S
    assert {ending.error.reason for ending in failed if ending.error} == {"WORKER_DIED"}
    assert all(ending.error.retry_after for ending in failed if ending.error)
    workers = [ending.explanation.worker.id for ending in endings if ending.explanation]
    assert len(workers) == len(in_flight) // 2
    assert len(set(workers)) == 1
    await healed(pair, since)


async def test_a_client_that_retries_does_not_notice(pair: LiveServer) -> None:
    async with AsyncExitStack() as stack:
        clients = await two_clients(stack, pair)
        calls = [asyncio.create_task(unary(client, "bert")) for client in clients * 2]
        await asyncio.gather(*(begun_stream(client, "bert") for client in clients))
        since = len(pair.lines)
        os.kill(pair.workers()[0].pid, signal.SIGKILL)
        assert [ending.error for ending in await asyncio.gather(*calls)] == [None] * len(calls)
    await healed(pair, since)


async def test_a_worker_that_dies_again_while_it_loads_is_replaced_all_the_same(pair: LiveServer) -> None:
    since = len(pair.lines)
    before = {worker.pid for worker in pair.workers()}
    os.kill(min(before), signal.SIGKILL)
    await asyncio.to_thread(pair.lines.wait_for, "model_loaded", after=since)
    (loading,) = (worker for worker in pair.workers() if worker.pid not in before)
    again = len(pair.lines)
    os.kill(loading.pid, signal.SIGKILL)
    async with AsyncClient(pair.address) as client:
        assert (await unary(client, "bert")).explanation
    await healed(pair, again)


async def test_a_stopped_worker_holds_up_its_own_requests_until_it_goes_on_and_no_others(
    pair: LiveServer,
) -> None:
    stopped = pair.workers()[0]
    async with AsyncClient(pair.address, max_attempts=1) as client:
        streams = [await begun_stream(client, "sentiment") for _ in range(2)]
        stopped.suspend()
        try:
            finished, held = await asyncio.wait(streams, return_when=asyncio.FIRST_COMPLETED)
            assert [(await ending).error for ending in finished] == [None]
            for _ in range(3):
                assert (await unary(client, "bert")).explanation
            assert [stream.done() for stream in held] == [False]
        finally:
            stopped.resume()
        assert [(await stream).error for stream in held] == [None]
        workers = {(await stream).explanation.worker.id for stream in streams}  # type: ignore[union-attr]
        assert len(workers) == 2


async def test_while_every_worker_is_stopped_requests_end_at_their_deadline(pair: LiveServer) -> None:
    workers = pair.workers()
    async with AsyncClient(pair.address, max_attempts=1) as client:
        for worker in workers:
            worker.suspend()
        try:
            with pytest.raises(DeadlineExceededError):
                await client.explain("bert", SequenceClassification(SHORT[0]), timeout=0.5)
        finally:
            for worker in workers:
                worker.resume()
        assert (await unary(client, "bert")).explanation


async def test_a_stopped_worker_that_is_killed_fails_its_requests_at_once(pair: LiveServer) -> None:
    stopped = pair.workers()[0]
    async with AsyncClient(pair.address, max_attempts=1) as client:
        streams = [await begun_stream(client, "sentiment") for _ in range(2)]
        stopped.suspend()
        since = len(pair.lines)
        died_at = await kill(stopped)
        endings = await asyncio.gather(*streams)
    (failed,) = (ending for ending in endings if ending.error)
    assert failed.at - died_at < DETECTION_S
    await healed(pair, since)
