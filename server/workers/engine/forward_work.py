"""Work that is not points, such as forward passes: a step of each between two batches of points."""

import time
from collections.abc import Iterator


class ForwardWork:
    """What waits for steps.

    Attributes:
        seconds: what the last step of each took together.
    """

    def __init__(self) -> None:
        self._waiting: list[Iterator[None]] = []
        self.seconds = 0.0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, steps: Iterator[None]) -> None:
        """Take in work; what its steps raise breaks the engine."""
        self._waiting.append(steps)

    def step(self) -> None:
        """Do a step of each."""
        started = time.monotonic()
        self._waiting = [steps for steps in self._waiting if _goes_on(steps)]
        self.seconds = time.monotonic() - started


def _goes_on(steps: Iterator[None]) -> bool:
    """Do a step; whether there are more."""
    try:
        next(steps)
    except StopIteration:
        return False
    return True
