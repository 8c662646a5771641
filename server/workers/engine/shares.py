"""Which long request is next: whose owner has had least of the engine, and now and then who came first."""

from collections.abc import Sequence
from weakref import WeakKeyDictionary

from ligserve.server.workers.engine.path import Path

# Who comes new is ahead of the others by so many token passes: enough for a first estimate before those have
# another turn.
HEAD_START = 2048
# Of so many batches one is for whoever came first: many that come new must not stop a long one.
EVERY = 4


class Shares:
    """What each owner of paths has had, in token passes (start-time fair queueing, Goyal et al. 1996)."""

    def __init__(self) -> None:
        self._had: WeakKeyDictionary[object, int] = WeakKeyDictionary()
        self._arrivals: WeakKeyDictionary[object, int] = WeakKeyDictionary()
        self._clock = 0
        self._arrived = 0
        self._batches = 0

    def arrive(self, path: Path) -> None:
        """A path of an owner, new or known, is to have turns."""
        self._arrivals.setdefault(path.owner, self._arrived)
        self._arrived += 1

    def next_of(self, waiting: Sequence[Path]) -> Path:
        """The path whose turn it is, of those that wait; of equals the first."""
        self._batches += 1
        if self._batches % EVERY == 0:
            return min(waiting, key=lambda path: self._arrivals[path.owner])
        return min(waiting, key=lambda path: self._share(path.owner))

    def count(self, path: Path, token_passes: int) -> None:
        """Points of a path go into a batch."""
        share = self._share(path.owner)
        self._clock = max(self._clock, share)
        self._had[path.owner] = share + token_passes

    def _share(self, owner: object) -> int:
        """What an owner has had; who has had nothing for long gets no more ahead than one who is new."""
        least = self._clock - HEAD_START
        return max(self._had.get(owner, least), least)
