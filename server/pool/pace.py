"""How long requests have taken lately, and how long the next one will wait."""

from collections import deque

from ligserve.v1 import explanation_service_pb2 as pb

# So many requests count.
REMEMBERED = 50


class Pace:
    """Compute times of recent requests."""

    def __init__(self) -> None:
        self._seconds: deque[float] = deque(maxlen=REMEMBERED)

    def saw(self, cost: pb.Cost) -> None:
        """Take in what a finished request took."""
        self._seconds.append(cost.compute_time.ToNanoseconds() / 1e9)

    def wait_s(self, ahead: int, places: int) -> float | None:
        """Seconds until one of the places is free for a request behind `ahead` others; None: not known.

        Places become free at the rate at which requests have ended.
        """
        if not self._seconds or not places:
            return None
        mean = sum(self._seconds) / len(self._seconds)
        return (ahead + 1) * mean / places
