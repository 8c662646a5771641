"""How long turns take, learnt from recent ones."""

from collections import deque
from collections.abc import Hashable, Iterable

# So many turns of each workload count: a long text that has left is soon forgotten.
REMEMBERED = 8


class TurnTimes:
    """What the turns of each workload have taken lately; the longest may be next."""

    def __init__(self) -> None:
        self._seconds: dict[Hashable, deque[float]] = {}

    def saw(self, workload: Hashable, seconds: float) -> None:
        """Learn from a turn."""
        self._seconds.setdefault(workload, deque(maxlen=REMEMBERED)).append(seconds)

    def longest(self, active: Iterable[Hashable]) -> float:
        """Seconds of the longest turn of the workloads that may have the next."""
        known = (max(self._seconds[workload]) for workload in set(active) if workload in self._seconds)
        return max(known, default=0.0)
