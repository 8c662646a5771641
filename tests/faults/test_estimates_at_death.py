"""Estimates of cost while their worker dies."""

import asyncio

import pytest

from benchmarks.texts import SHORT
from ligserve.client import (
    AsyncClient,
    DeadlineExceededError,
    SequenceClassification,
    ServerUnavailableError,
)
from tests.faults.conftest import StartServer

TASK = SequenceClassification(SHORT[0])


async def test_an_estimate_whose_worker_dies_fails_at_once_and_a_retry_finds_another(
    start: StartServer,
) -> None:
    with start() as starting:
        server = await asyncio.to_thread(starting.ready)
        (worker,) = server.workers()
        async with AsyncClient(server.address, max_attempts=1) as once, AsyncClient(server.address) as again:
            worker.suspend()
            calls = [asyncio.create_task(client.estimate_cost("bert", TASK)) for client in (once, again)]
            for client in (once, again):
                # A connection keeps the order of its calls: by then the calls before are with the worker.
                with pytest.raises(DeadlineExceededError):
                    await client.estimate_cost("bert", TASK, timeout=0.5)
            worker.kill()
            with pytest.raises(ServerUnavailableError) as caught:
                await calls[0]
            assert caught.value.reason == "WORKER_DIED"
            assert (await calls[1]).expected.points
        server.process.terminate()
        assert await asyncio.to_thread(server.process.wait, 60) == 0
