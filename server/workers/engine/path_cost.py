"""What a path costs."""

from dataclasses import dataclass


@dataclass
class PathCost:
    """What a path has cost so far.

    Attributes:
        points: points that were computed.
        reused: points that were known from before; they cost nothing.
        rows: rows that went forward.
        tokens: tokens in those rows.
        batches: batches that held any of them.
        gradients: rows that went backward, once for each output.
        gradient_tokens: tokens in those rows.
    """

    points: int = 0
    reused: int = 0
    rows: int = 0
    tokens: int = 0
    batches: int = 0
    gradients: int = 0
    gradient_tokens: int = 0

    @property
    def points_there(self) -> int:
        """Points that were computed or known."""
        return self.points + self.reused

    @property
    def token_passes(self) -> int:
        """Tokens that went through the model, forward or backward."""
        return self.tokens + self.gradient_tokens

    def add_rows(self, rows: int, length: int) -> None:
        """Count rows of so many tokens that went forward."""
        self.rows += rows
        self.tokens += rows * length

    def add_gradients(self, rows: int, length: int) -> None:
        """Count rows of so many tokens that went backward."""
        self.gradients += rows
        self.gradient_tokens += rows * length

    def __add__(self, other: "PathCost") -> "PathCost":
        return PathCost(
            points=self.points + other.points,
            reused=self.reused + other.reused,
            rows=self.rows + other.rows,
            tokens=self.tokens + other.tokens,
            batches=self.batches + other.batches,
            gradients=self.gradients + other.gradients,
            gradient_tokens=self.gradient_tokens + other.gradient_tokens,
        )
