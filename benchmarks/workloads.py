"""What is explained, how exactly, and by whom."""

from dataclasses import dataclass

from benchmarks.texts import LONG, SHORT


@dataclass(frozen=True, slots=True)
class Workload:
    """Texts of about the same length."""

    name: str
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How exact: a number of Gauss-Legendre steps, or a tolerance (relative, 0.01 is 1 %)."""

    steps: int | None = None
    tolerance: float | None = None

    def __str__(self) -> str:
        return f"{self.steps} steps" if self.steps else f"tolerance {self.tolerance:.1%}".replace(".0%", "%")


@dataclass(frozen=True, slots=True)
class Entrant:
    """A contender (a module in CONTENDERS) at one accuracy: a line of the table."""

    contender: str
    accuracy: Accuracy


@dataclass(frozen=True, slots=True)
class Answer:
    """One explanation, as the benchmark needs it.

    Attributes:
        scores: raw, one per token: they should add up to f(input) - f(baseline).
        class_index: the class that is explained.
        points: forward and backward passes of one row.
        library_inputs: whether the model's inputs are prepared as transformers-interpret does.
    """

    scores: tuple[float, ...]
    class_index: int
    points: int
    library_inputs: bool


WORKLOADS = (Workload("16 tokens", SHORT), Workload("120 tokens", LONG))
# The table's first contender is the one that the others are compared with.
CONTENDERS = {
    "transformers-interpret": "benchmarks.library",
    "captum by hand": "benchmarks.by_hand",
    "ligserve": "benchmarks.served",
}
STEPS = Accuracy(steps=50)
ENTRANTS = (
    *(Entrant(contender, STEPS) for contender in CONTENDERS),
    *(Entrant("ligserve", Accuracy(tolerance=tolerance)) for tolerance in (0.05, 0.01, 0.001)),
)
