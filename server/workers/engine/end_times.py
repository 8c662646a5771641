"""How long answers of many parts take to be given once the last point is there, learnt from recent ones."""

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

# Before any is known, for each part, be it a target's summary or a window's estimate of it. A worker takes
# about 20 microseconds when it has a core for itself; front and client take as long.
PART_S = 100e-6
# What others do with an answer takes them so many times what it took to give it.
WAY = 3.0
REMEMBERED = 8
# Of answers with fewer parts what each takes does not tell.
MANY = 1000
# At most this share of the time there is is kept for the end.
MOST = 0.25


class EndTimes:
    """What the ends of large answers have taken lately; the slowest may be next."""

    def __init__(self) -> None:
        self._seconds: deque[float] = deque(maxlen=REMEMBERED)

    @contextmanager
    def ending(self, parts: int) -> Iterator[None]:
        """Learn from the end of an answer of so many parts, which is given within it."""
        started = time.monotonic()
        yield
        if parts >= MANY:
            self._seconds.append((time.monotonic() - started) / parts)

    def before(self, deadline: float | None, parts: int) -> float | None:
        """When the end of such an answer has to begin, on time.monotonic's clock; None: whenever."""
        if deadline is None:
            return None
        learnt = WAY * max(self._seconds, default=0.0)
        return deadline - min(parts * max(PART_S, learnt), MOST * max(0.0, deadline - time.monotonic()))
