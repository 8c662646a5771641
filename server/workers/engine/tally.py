"""What an engine has computed since it started, and how much of it for nobody."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from ligserve.server.workers.engine.scheduler import Slice


@dataclass
class Tally:
    """Counts points, each a row that went forward and backward.

    Attributes:
        batches: batches of points that were begun.
        points: points that were computed.
        cancelled_points: those of calls that were cancelled before their batch was done.
        late_points: those of calls that were cancelled before the batch before theirs was begun. A cancelled
            call's points leave at the next batch, so there are none.
    """

    batches: int = 0
    points: int = 0
    cancelled_points: int = 0
    late_points: int = 0
    _begun: float = field(default=0.0, repr=False)

    def begin(self, slices: Sequence[Slice]) -> None:
        """A batch is about to be computed."""
        self.batches += 1
        before, self._begun = self._begun, time.monotonic()
        for piece in slices:
            cancelled = piece.path.cancelled_at
            if cancelled is not None and cancelled < before:
                self.late_points += len(piece.alphas)

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
        }
