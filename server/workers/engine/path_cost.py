"""What a path costs."""

from dataclasses import dataclass


@dataclass
class PathCost:
    """What a path has cost so far; reused points, known from before, cost nothing."""

    points: int = 0
    reused: int = 0
    rows: int = 0
    tokens: int = 0
    batches: int = 0
    gradients: int = 0

    def __add__(self, other: "PathCost") -> "PathCost":
        return PathCost(
            points=self.points + other.points,
            reused=self.reused + other.reused,
            rows=self.rows + other.rows,
            tokens=self.tokens + other.tokens,
            batches=self.batches + other.batches,
            gradients=self.gradients + other.gradients,
        )
