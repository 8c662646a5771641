"""Many calls that are cancelled at random moments."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.soak.asked import LASTING, lasting
from benchmarks.soak.requests import answer
from benchmarks.soak.watch import memory_line, watched
from ligserve.client import AsyncClient

LOOKS = 10
# Small batches, so that a call takes many of them.
TOKEN_BUDGET = 256


@dataclass(frozen=True, slots=True)
class Cancelled:
    """What was seen.

    Attributes:
        cancelled: calls that were cancelled.
        answered: calls whose answer came before.
        spent: points that were computed for those that were cancelled.
        saved: by what share that is less than they would have cost.
        counts: what the worker says that it computed.
        memory: start, middle and end.
        lived: whether the worker is the same at the end.
        flat: whether memory did not grow.
    """

    cancelled: int
    answered: int
    spent: int
    saved: float
    counts: Mapping[str, int]
    memory: str
    lived: bool
    flat: bool

    @property
    def well(self) -> bool:
        """Whether all is as it should be."""
        return self.lived and self.flat and self.counts["late_points"] == 0

    def __str__(self) -> str:
        counts = self.counts
        return "\n".join(
            (
                f"{self.cancelled} calls cancelled at random moments, {self.answered} answered before",
                f"  {counts['points']} points in {counts['batches']} batches",
                f"  {self.spent} for cancelled calls, {self.saved:.0%} less than those would have cost,",
                f"  {counts['cancelled_points']} of them in the batch that was at hand",
                f"  {counts['late_points']} points of calls that were cancelled more than one batch before",
                f"  {counts['carried_points']} times a point was carried along in a batch of many targets",
                f"memory of front + worker, MiB: {self.memory}, {'flat' if self.flat else 'GREW'}",
                f"the worker {'lived' if self.lived else 'DIED'}",
            )
        )


async def soak_cancels(models: Mapping[str, Path], log: Path, cancels: int, clients: int) -> Cancelled:
    """Ask, and cancel at random moments."""
    chance, ended = random.Random(11), Counter[str]()
    with watched(models, log, {"token_budget": TOKEN_BUDGET}) as watch:
        async with AsyncClient(watch.server.address) as client:
            await _whole(client, chance, clients, ended)
            began = time.monotonic()
            whole = await _whole(client, chance, clients, ended)
            # So long a call of some kind takes beside others.
            full = (time.monotonic() - began) / len(LASTING)
            watch.look(0)
            for look in range(1, LOOKS + 1):
                await _cancel_all(client, chance, cancels // LOOKS, clients, full, ended)
                watch.look(look * cancels // LOOKS)
            # The server answers as before.
            await _whole(client, chance, 1, ended)
        lived = watch.workers_live
    (counts,) = watch.told("worker_ends")
    spent = counts["points"] - ended["points"]
    cost = sum(ended[kind] * points for kind, points in whole.items())
    return Cancelled(
        cancelled=sum(ended[kind] for kind in LASTING),
        answered=ended["answered"],
        spent=spent,
        saved=1 - spent / cost,
        counts=counts,
        memory=memory_line(watch.memory),
        lived=lived,
        flat=watch.flat,
    )


async def _whole(
    client: AsyncClient, chance: random.Random, clients: int, ended: Counter[str]
) -> dict[str, float]:
    """Have calls of every kind answered, so many at a time; the points of one, by kind."""
    points = {}
    for kind in LASTING:
        each = await asyncio.gather(*(answer(client, lasting(chance, kind)) for _ in range(clients)))
        points[kind] = sum(each) / len(each)
        ended["points"] += sum(each)
    return points


async def _cancel_all(
    client: AsyncClient, chance: random.Random, count: int, clients: int, full: float, ended: Counter[str]
) -> None:
    waiting = iter(range(count))

    async def work() -> None:
        for _ in waiting:
            while not await _cancelled(client, chance, full, ended):
                pass

    await asyncio.gather(*(work() for _ in range(clients)))


async def _cancelled(client: AsyncClient, chance: random.Random, full: float, ended: Counter[str]) -> bool:
    """Ask, and cancel after 0 to `full` seconds; false if the answer came before."""
    kind = chance.choice(list(LASTING))
    call = asyncio.create_task(answer(client, lasting(chance, kind)))
    done, _ = await asyncio.wait((call,), timeout=chance.uniform(0.0, full))
    if done:
        ended["answered"] += 1
        ended["points"] += call.result()
        return False
    call.cancel()
    await asyncio.wait((call,))
    ended[kind] += 1
    return True
