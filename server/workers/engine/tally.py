"""What an engine has computed since it started, and how much of it for nobody."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ligserve.server.workers.engine.scheduler import Slice


@dataclass
class Tally:
    """Counts points, each a row that went forward and backward.

    Attributes:
        batches: batches of points that were begun, those that are made again after a failure among them.
        points: points that were computed.
        cancelled_points: those of calls that were cancelled before their batch was done.
        late_points: those of calls that were cancelled before the turn before their batch's first one was
            begun. A cancelled call's points leave at the next batch, so there are none.
        carried_points: those of calls that were cancelled while their batch had turns to come, once for each
            such turn that began a turn or more later: mates wait for the batch, and no row can leave it.
    """

    batches: int = 0
    points: int = 0
    cancelled_points: int = 0
    late_points: int = 0
    carried_points: int = 0
    _begun: float = field(default=0.0, repr=False)

    def turn(self, slices: Sequence[Slice], begun: float, *, first: bool) -> None:
        """A turn of a batch was computed, or tried; every one is to be told, in order.

        Args:
            slices: the points that were computed in it.
            begun: time.monotonic() when it began.
            first: whether it was the batch's first.
        """
        before, self._begun = self._begun, begun
        cancelled = [(piece.path.cancelled_at, len(piece.alphas)) for piece in slices]
        late = sum(points for at, points in cancelled if at is not None and at < before)
        if first:
            self.batches += 1
            self.late_points += late
        else:
            self.carried_points += late

    def done(self, slices: Sequence[Slice]) -> None:
        """A batch was computed."""
        for piece in slices:
            self.points += len(piece.alphas)
            if piece.path.cancelled:
                self.cancelled_points += len(piece.alphas)

    def counts(self) -> dict[str, int]:
        """All counts by name."""
        return {
            "batches": self.batches,
            "points": self.points,
            "cancelled_points": self.cancelled_points,
            "late_points": self.late_points,
            "carried_points": self.carried_points,
        }
