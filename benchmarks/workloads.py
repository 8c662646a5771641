"""What is explained, how exactly, and by whom."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.texts import LONG, MIDDLE, SHORT


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
class Attribution:
    """The scores of one target.

    Attributes:
        scores: raw, one per token: they should add up to f(input) - f(baseline).
        class_index: the class that is explained.
        token: position of the token whose label it is; None for a label of the whole text.
    """

    scores: tuple[float, ...]
    class_index: int
    token: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """One explanation, as the benchmark needs it.

    Attributes:
        attributions: one for each target.
        points: forward and backward passes of one row; targets that share a forward pass share its point.
        rows: rows that went forward through the model, with a gradient or without.
        library_inputs: whether the model's inputs are prepared as transformers-interpret does.
    """

    attributions: tuple[Attribution, ...]
    points: int
    rows: int
    library_inputs: bool


STEPS = Accuracy(steps=50)
# A module for each contender. The table's first one is the one that the others are compared with.
CONTENDERS = {
    "transformers-interpret": "benchmarks.library",
    "captum by hand": "benchmarks.by_hand",
    "ligserve": "benchmarks.served",
}
TOKEN_CONTENDERS = {
    "transformers-interpret": "benchmarks.library_tokens",
    "ligserve": "benchmarks.served_tokens",
}
ENTRANTS = (
    *(Entrant(contender, STEPS) for contender in CONTENDERS),
    *(Entrant("ligserve", Accuracy(tolerance=tolerance)) for tolerance in (0.05, 0.01, 0.001)),
)
TOKEN_ENTRANTS = (
    *(Entrant(contender, STEPS) for contender in TOKEN_CONTENDERS),
    *(Entrant("ligserve", Accuracy(tolerance=tolerance)) for tolerance in (0.05, 0.01)),
)


@dataclass(frozen=True, slots=True)
class Workload:
    """Texts of about the same length.

    Attributes:
        code: what --only calls it.
        name: what the table calls it.
        texts: the texts.
        contenders: the module of each contender.
        entrants: the lines of the table, the one that is compared with first.
        of_tokens: whether each token has a label of its own that is explained, rather than the text.
    """

    code: str
    name: str
    texts: tuple[str, ...]
    contenders: Mapping[str, str] = field(default_factory=lambda: CONTENDERS)
    entrants: tuple[Entrant, ...] = ENTRANTS
    of_tokens: bool = False


WORKLOADS = (
    Workload("W1", "short", SHORT),
    Workload("W2", "long", LONG),
    Workload("W3", "every token's label", MIDDLE, TOKEN_CONTENDERS, TOKEN_ENTRANTS, of_tokens=True),
)
