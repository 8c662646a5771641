"""Many mixed requests, a few at a time."""

import asyncio
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.soak.asked import Asked, mixed
from benchmarks.soak.watch import memory_line, watched
from ligserve.client import AsyncClient, LigserveError

LOOKS = 10
UNEXPECTED = "UNEXPECTED"
# So small that it is full long before the middle.
KEPT_POINTS_MIB = 1


@dataclass(frozen=True, slots=True)
class Asking:
    """What was seen.

    Attributes:
        ended: how calls ended, by kind.
        memory: start, middle and end.
        lived: whether the worker is the same at the end.
        flat: whether memory did not grow.
    """

    ended: Mapping[str, int]
    memory: str
    lived: bool
    flat: bool

    @property
    def unexpected(self) -> int:
        """Calls that did not end as they should."""
        return sum(count for what, count in self.ended.items() if UNEXPECTED in what)

    @property
    def well(self) -> bool:
        """Whether all is as it should be."""
        return self.lived and self.flat and not self.unexpected

    def __str__(self) -> str:
        return "\n".join(
            (
                f"{sum(self.ended.values())} mixed requests",
                *(f"  {count:6d} {what}" for what, count in sorted(self.ended.items())),
                f"memory of front + worker, MiB: {self.memory}, {'flat' if self.flat else 'GREW'}",
                f"the worker {'lived' if self.lived else 'DIED'}",
            )
        )


async def soak_requests(models: Mapping[str, Path], log: Path, requests: int, clients: int) -> Asking:
    """Ask, and look at the server on the way."""
    chance, ended = random.Random(7), Counter[str]()
    with watched(models, log, {"kept_points_mib": KEPT_POINTS_MIB}) as watch:
        async with AsyncClient(watch.server.address) as client:
            watch.look(0)
            for look in range(1, LOOKS + 1):
                asked = [mixed(chance) for _ in range(requests // LOOKS)]
                await _ask_all(client, asked, clients, ended)
                watch.look(look * requests // LOOKS)
        lived = watch.workers_live
    return Asking(ended, memory_line(watch.memory), lived, watch.flat)


async def _ask_all(client: AsyncClient, asked: list[Asked], clients: int, ended: Counter[str]) -> None:
    waiting = iter(asked)

    async def work() -> None:
        for each in waiting:
            ended[f"{each.kind}: {await _end_of(client, each)}"] += 1

    await asyncio.gather(*(work() for _ in range(clients)))


async def _end_of(client: AsyncClient, asked: Asked) -> str:
    try:
        await answer(client, asked)
    except LigserveError as error:
        name = type(error).__name__
        return name if asked.wrong else f"{UNEXPECTED} {name}: {error}"
    return f"{UNEXPECTED} answer" if asked.wrong else "answered"


async def answer(client: AsyncClient, asked: Asked) -> int:
    """Have a request answered; its points.

    Raises:
        LigserveError: there is no answer.
    """
    if not asked.streamed:
        return (await client.explain(asked.model, asked.task, **asked.options)).cost.points
    async with client.stream(asked.model, asked.task, estimate_interval=0.0, **asked.options) as stream:
        return (await stream.result()).cost.points
