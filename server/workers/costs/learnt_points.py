"""How many points requests took, against the documented figures."""

import math
import threading
from collections import defaultdict, deque
from collections.abc import Hashable
from dataclasses import dataclass

# So many requests count.
REMEMBERED = 50
# The figures weigh as much as so many requests.
PRIOR_REQUESTS = 4
TIGHTEST = 1e-6


@dataclass(frozen=True, slots=True)
class Correction:
    """What requests were like: `ratio` times the documented points, learnt from `requests` of them."""

    ratio: float
    requests: int


class LearntPoints:
    """Ratios of recent requests, by workload, kind of paths, and tolerance to half an order of magnitude."""

    def __init__(self) -> None:
        self._ratios: dict[tuple[Hashable, str, int], deque[float]] = defaultdict(
            lambda: deque(maxlen=REMEMBERED)
        )
        self._lock = threading.Lock()

    def learn(self, workload: Hashable, kind: str, tolerance: float, ratio: float) -> None:
        """Take in a request that took `ratio` times the documented points."""
        with self._lock:
            self._ratios[workload, kind, _size(tolerance)].append(ratio)

    def correction(self, workload: Hashable, kind: str, tolerance: float | None) -> Correction:
        """What to expect of the next such request; none where the number of points is fixed."""
        with self._lock:
            ratios = (
                () if tolerance is None else tuple(self._ratios.get((workload, kind, _size(tolerance)), ()))
            )
        return Correction((PRIOR_REQUESTS + sum(ratios)) / (PRIOR_REQUESTS + len(ratios)), len(ratios))


def _size(tolerance: float) -> int:
    return round(2 * math.log10(max(tolerance, TIGHTEST)))
