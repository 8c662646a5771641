"""How long requests have taken lately, and how long the next one will wait."""

from collections import defaultdict, deque
from collections.abc import Mapping

from ligserve.v1 import explanation_service_pb2 as pb

# So many requests of a kind count.
REMEMBERED = 50
SHORTEST_S = 1e-6


class Pace:
    """Compute times of recent requests: of long ones, and of others."""

    def __init__(self) -> None:
        self._seconds: defaultdict[bool, deque[float]] = defaultdict(lambda: deque(maxlen=REMEMBERED))

    def saw(self, cost: pb.Cost, *, long: bool) -> None:
        """Take in what a finished request took."""
        self._seconds[long].append(cost.compute_time.ToNanoseconds() / 1e9)

    def wait_s(self, ahead: int, at_work: Mapping[bool, int]) -> float | None:
        """Seconds until a place is free for a request behind `ahead` others; None: not known.

        Places become free at the rate at which such requests have ended as have them now.

        Args:
            ahead: how many go before it.
            at_work: how many have the places that it may get, by whether they are long.
        """
        ends_per_s = sum(count / self._mean_s(long) for long, count in at_work.items() if self._seconds[long])
        return (ahead + 1) / ends_per_s if ends_per_s else None

    def _mean_s(self, long: bool) -> float:
        return max(SHORTEST_S, sum(self._seconds[long]) / len(self._seconds[long]))
