"""Turns of batches whose work is queued on the device, until it is done."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from ligserve.server.workers.engine.batch import Batch, Values
from ligserve.server.workers.engine.path import Path
from ligserve.server.workers.models.transfer import Arrival


@dataclass(frozen=True)
class Turn:
    """A turn of a batch that is queued.

    Attributes:
        batch: the batch.
        arrival: what comes of it.
        begun: time.monotonic() when the host began to queue it.
        last: whether it is the batch's last.
        predicts: paths whose prediction comes of it.
    """

    batch: Batch
    arrival: Arrival
    begun: float
    last: bool
    predicts: Sequence[Path]

    def values(self) -> Values | None:
        """Wait for it; the values of every point, if it is the last. Raises what went wrong on the device."""
        arrived = self.arrival.tensors()
        return self.batch.values(arrived) if self.last else None

    def predictions(self) -> list[tuple[Path, Tensor]]:
        """The logits of the inputs of paths, (C,) or (T, C), once the turn is done."""
        arrived = self.arrival.tensors() if self.predicts else []
        return [(path, logits[0].clone()) for path, logits in zip(self.predicts, arrived, strict=True)]


def queued_turn(batch: Batch) -> Turn:
    """Queue the next turn of a batch."""
    begun = time.monotonic()
    arrival = batch.turn()
    return Turn(batch, arrival, begun, batch.queued, batch.predicting)


class InFlight:
    """Turns that are queued, in their order, which is the order in which the device does them."""

    def __init__(self) -> None:
        self._turns: deque[Turn] = deque()

    def __len__(self) -> int:
        return len(self._turns)

    def add(self, turn: Turn) -> None:
        """Take in a turn."""
        self._turns.append(turn)

    def forget(self, batch: Batch) -> None:
        """Let a batch's other turns go, one of which has failed."""
        self._turns = deque(turn for turn in self._turns if turn.batch is not batch)

    def land(self, most: int, land: Callable[[Turn], None]) -> None:
        """Hand on the turns that are done, and as many of the oldest that at most so many are left."""
        while self._turns and (len(self._turns) > most or self._turns[0].arrival.ready):
            land(self._turns.popleft())
