"""How long to wait before a dead worker is replaced."""

from dataclasses import dataclass

# So many short lives in a row are a crash loop.
CRASH_LOOP_LIVES = 3


@dataclass(frozen=True, slots=True)
class BackoffPolicy:
    """Delays that double with every short life, in seconds."""

    first_s: float = 0.1
    longest_s: float = 30.0
    # A worker that lived this long was well.
    stable_s: float = 60.0


class Backoff:
    """The delays of one place in the pool."""

    def __init__(self, policy: BackoffPolicy) -> None:
        self._policy = policy
        self.short_lives = 0

    def next_delay(self, lifetime_s: float) -> float:
        """The delay after a worker that lived this long; 0 s for one that never came to life."""
        self.short_lives = 1 if lifetime_s >= self._policy.stable_s else self.short_lives + 1
        return self.delay

    @property
    def delay(self) -> float:
        """The last delay."""
        doublings = min(max(self.short_lives - 1, 0), 30)
        return min(self._policy.longest_s, self._policy.first_s * 2.0**doublings)

    @property
    def looping(self) -> bool:
        """Whether the deaths are a crash loop."""
        return self.short_lives >= CRASH_LOOP_LIVES
