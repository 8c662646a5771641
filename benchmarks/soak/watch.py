"""A server that is watched: its memory, its workers, and what it logs."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.contenders.server import Server
from benchmarks.measures.told import tell

# Memory that comes and goes with what is in flight; more than this between middle and end is growth.
GROWTH = 0.05


class Memory(NamedTuple):
    """Resident memory in MiB, after some calls."""

    calls: int
    front: float
    worker: float


@dataclass
class Watch:
    """What was seen of a server.

    Attributes:
        server: it.
        log: its log, a JSON object a line.
        memory: on the way, from the start.
    """

    server: Server
    log: Path
    memory: list[Memory] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._pids = self._workers()

    def look(self, calls: int) -> None:
        """Take the memory, after some calls."""
        (worker,) = self.server.workers()
        front = self.server.front().memory_info().rss / 2**20
        self.memory.append(Memory(calls, front, worker.memory_info().rss / 2**20))
        tell(f"{calls} calls: front {front:.0f} MiB, worker {self.memory[-1].worker:.0f} MiB")

    @property
    def workers_live(self) -> bool:
        """Whether the workers are those of the start."""
        return self._workers() == self._pids

    @property
    def flat(self) -> bool:
        """Whether neither front nor worker grew from the middle to the end."""
        middle, end = self.memory[len(self.memory) // 2], self.memory[-1]
        allowed = 1 + GROWTH
        return end.front <= allowed * middle.front and end.worker <= allowed * middle.worker

    def told(self, event: str) -> list[Mapping[str, Any]]:
        """The log's lines about an event."""
        with self.log.open() as lines:
            entries = [json.loads(line) for line in lines if line.startswith("{")]
        return [entry for entry in entries if entry.get("event") == event]

    def _workers(self) -> list[int]:
        return [worker.pid for worker in self.server.workers()]


@contextmanager
def watched(models: Mapping[str, Path], log: Path, settings: Mapping[str, object]) -> Iterator[Watch]:
    """A server of one worker with one thread, that logs all it can."""
    with (
        log.open("w") as stream,
        Server(models, threads=1, settings={"log_level": "debug", **settings}, log=stream) as server,
    ):
        yield Watch(server, log)


def memory_line(memory: list[Memory]) -> str:
    """Start, middle and end."""
    chosen = (memory[0], memory[len(memory) // 2], memory[-1])
    return ", ".join(
        f"{name} {each.front:.0f} + {each.worker:.0f}"
        for name, each in zip(("start", "middle", "end"), chosen, strict=True)
    )
