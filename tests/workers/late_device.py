"""A device whose results come late: what is queued on it is done by another thread, when it is looked for."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import torch
from torch import Tensor

from ligserve.server.workers.models.transfer import HOST, Arrival, Mark, QueuedTransfer

# More looks than any test takes: the results come only once they are waited for.
NEVER = 1 << 30


def nothing(_results: Sequence[Tensor]) -> None:
    """No failure."""


class LateDevice(QueuedTransfer):
    """The copies of a GPU's queue with the CPU's memory at both ends; the place of what is to come holds NaN.

    Args:
        looks: how often the host looks in vain before the device begins.
        failure: what goes wrong with a turn that puts out these results; None for nothing.

    Attributes:
        log: what happened to the turns of batches, in order: ("queued", 0), ("landed", 0)...
    """

    def __init__(
        self, looks: int = NEVER, failure: Callable[[Sequence[Tensor]], Exception | None] = nothing
    ) -> None:
        super().__init__(HOST)
        self.looks, self._failure = looks, failure
        self.log: list[tuple[str, int]] = []
        self.queued = threading.Event()
        self._turns = 0
        self._copies: list[tuple[Tensor, Tensor]] = []
        self._next: tuple[int | None, Exception | None] = (None, None)
        self._thread = ThreadPoolExecutor(1)

    def send(self, tensor: Tensor) -> Tensor:
        return tensor.clone()

    def fetch(self, tensors: Sequence[Tensor]) -> Arrival:
        # The only tensor of a prediction is its logits; it is waited for at once.
        is_turn = len(tensors) != 1
        self._next = (self._turns, self._failure(tensors)) if is_turn else (None, None)
        self._turns += is_turn
        return super().fetch(tensors)

    def landing(self, flat: Tensor) -> Tensor:
        place = torch.full_like(flat, torch.nan)
        self._copies.append((place, flat))
        return place

    def mark(self) -> Mark:
        copies, self._copies = self._copies, []
        number, failure = self._next
        if number is not None:
            self.log.append(("queued", number))
            self.queued.set()

        def work() -> None:
            if failure is not None:
                raise failure
            for place, flat in copies:
                place.copy_(flat)

        return _LateMark(self, number, lambda: self._thread.submit(work))


class _LateMark:
    def __init__(self, device: LateDevice, number: int | None, begin: Callable[[], Future[None]]) -> None:
        self._device, self._number, self._begin = device, number, begin
        self._looked = 0
        self._work: Future[None] | None = None

    def query(self) -> bool:
        self._looked += 1
        if self._work is None and self._looked > self._device.looks:
            self._work = self._begin()
        return self._work is not None and self._work.done()

    def synchronize(self) -> None:
        self._work = self._work or self._begin()
        if self._number is not None:
            self._device.log.append(("landed", self._number))
        self._work.result(60)
