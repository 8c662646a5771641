"""Requests that take a while, and how each of them ended."""

import asyncio
import time
from dataclasses import dataclass

from benchmarks.texts import SHORT
from ligserve.client import AsyncClient, Explanation, SequenceClassification, ServerUnavailableError
from ligserve.client.types.events import HeaderEvent

# Some seconds of work on one core: none is done when the last has begun. Midpoint nodes cost nothing.
STEPS = {"sentiment": 200, "bert": 4096}
TEXTS = {"sentiment": SHORT[:2], "bert": (" ".join(SHORT[:2]), SHORT[1])}
# Each is a backward pass at every node. A unary call is to last longer than the streams that begin after it.
CLASSES = {"sentiment": (0, 1), "bert": (0, 1, 2)}


@dataclass(frozen=True)
class Ending:
    """How a request ended, and when on the monotonic clock."""

    kind: str
    at: float
    explanation: Explanation | None = None
    error: ServerUnavailableError | None = None


async def unary(client: AsyncClient, model: str) -> Ending:
    """One explanation, asked for by a unary call."""
    try:
        task = SequenceClassification(TEXTS[model][0], targets=CLASSES[model])
        answer = await client.explain(model, task, rule="midpoint", n_steps=STEPS[model])
    except ServerUnavailableError as error:
        return Ending("unary", time.monotonic(), error=error)
    return Ending("unary", time.monotonic(), explanation=answer)


async def streamed(client: AsyncClient, model: str, started: asyncio.Event) -> Ending:
    """One explanation as a stream; tells when a worker has begun with it."""
    task = SequenceClassification(TEXTS[model][1])
    try:
        async with client.stream(model, task, rule="midpoint", n_steps=STEPS[model]) as stream:
            async for event in stream:
                if isinstance(event, HeaderEvent):
                    started.set()
            answer = await stream.result()
    except ServerUnavailableError as error:
        return Ending("stream", time.monotonic(), error=error)
    return Ending("stream", time.monotonic(), explanation=answer)


async def begun_stream(client: AsyncClient, model: str) -> "asyncio.Task[Ending]":
    """A stream that a worker has begun with."""
    started = asyncio.Event()
    task = asyncio.create_task(streamed(client, model, started))
    begun = asyncio.create_task(started.wait())
    await asyncio.wait([task, begun], return_when=asyncio.FIRST_COMPLETED)
    begun.cancel()
    assert not task.done(), await task
    return task
