"""Whose turn is next: short requests go first, and one turn in four is for the others.

So a short request waits for the turn at hand and for short ones before it, however many long ones there are.
What the others are owed may wait for a while, so that short requests that come together are done with first;
under a steady stream of them it is paid turn by turn.
"""

from collections import deque
from collections.abc import Mapping
from math import inf

from ligserve.server.workers.engine.batch import Batch
from ligserve.server.workers.engine.scheduler import Scheduler

# Most batches that have had a turn and need more, each with its activations in memory.
MAX_UNDER_WAY = 2
# Of so many turns one is for a request that is not short, if any waits.
EVERY = 4
# So many turns short ones may be ahead of that.
PATIENCE = 24


class Turns:
    """Chooses between batches under way and new ones.

    Args:
        scheduler: where new ones come from.
    """

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        # Turns that short requests have had while others waited, less those that these have had for them.
        self._ahead = 0
        self._new_is_next = False

    def next_of(self, under_way: deque[Batch]) -> Batch | None:
        """The batch that has the next turn, out of those under way, or a new one; None if there is none."""
        # One look for all: it goes through every path.
        places = self._scheduler.places()
        if self._ahead < PATIENCE:
            return self._of_short(under_way, places) or self._of_others(under_way, places)
        return self._of_others(under_way, places) or self._of_short(under_way, places)

    def _of_short(self, under_way: deque[Batch], owners: Mapping[object, float]) -> Batch | None:
        """The batch of the short request that is next: one that was begun, or a new one."""
        places = {batch: _place(batch, owners) for batch in under_way}
        begun = min(places, key=places.__getitem__, default=None)
        before = inf if begun is None else places[begun]
        batch = self._new(under_way, short=True, before=before)
        if batch is None and before < inf:
            batch = begun
        if batch is not None and (inf in places.values() or self._scheduler.others_wait(owners)):
            self._ahead += 1
        if batch in places:
            under_way.remove(batch)
        return batch

    def _of_others(self, under_way: deque[Batch], owners: Mapping[object, float]) -> Batch | None:
        """The one that was begun and waited longest, and a new one, in turn."""
        begun = [batch for batch in under_way if _place(batch, owners) == inf]
        batch = None if begun and not self._new_is_next else self._new(under_way, short=False)
        self._new_is_next = batch is None
        if batch is None and begun:
            batch = begun[0]
            under_way.remove(batch)
        if batch is not None:
            self._ahead = max(0, self._ahead - (EVERY - 1))
        return batch

    def _new(self, under_way: deque[Batch], *, short: bool, before: float = inf) -> Batch | None:
        crowded = len(under_way) >= MAX_UNDER_WAY
        most_turns = 1 if crowded else None
        slices = self._scheduler.next_batch(most_turns=most_turns, short=short, before=before)
        return Batch(slices) if slices else None


def _place(batch: Batch, places: Mapping[object, float]) -> float:
    """Of the short request in it, of several the first; inf for none.

    One that has failed waits as others do, which may hold the memory.
    """
    if not batch.holds_memory:
        return inf
    return min(places.get(piece.path.owner, inf) for piece in batch.slices)
