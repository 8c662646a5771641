"""What is asked about a model, and what comes back; the same for every contender."""

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """Kind of question; each needs a model of its own, named like the kind."""

    TEXT = "text"
    TOKENS = "tokens"
    LABELS = "labels"
    HYPOTHESES = "hypotheses"
    SPAN = "span"


@dataclass(frozen=True, slots=True)
class Question:
    """What is explained.

    Attributes:
        kind: the predicted class of the text, the label of each token, every label of a multi-label
            classifier, candidate labels (zero-shot), or the start and end of an answer.
        text: the text; for SPAN the context.
        labels: for HYPOTHESES the candidates.
        question: for SPAN.
        ignored: for TOKENS, positions of the tokens whose label is not explained.
    """

    kind: Kind
    text: str
    labels: tuple[str, ...] = ()
    question: str = ""
    ignored: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How exact: a number of Gauss-Legendre steps, or a tolerance (relative, 0.01 is 1 %).

    Attributes:
        steps: the number.
        tolerance: the tolerance.
        precision: arithmetic of the points, such as "bfloat16"; None: float32.
    """

    steps: int | None = None
    tolerance: float | None = None
    precision: str | None = None

    def __str__(self) -> str:
        asked = f"{self.steps} steps" if self.steps else f"tolerance {self.tolerance:.1%}".replace(".0%", "%")
        return asked if self.precision is None else f"{asked}, {self.precision}"


@dataclass(frozen=True, slots=True)
class Attribution:
    """The scores of one target.

    Attributes:
        scores: raw, one per token of the row: they should add up to f(input) - f(baseline).
        index: the class (or candidate, or 0 for the start and 1 for the end of an answer) that is explained.
        token: position of the token whose output it is; None for an output of the whole row.
    """

    scores: tuple[float, ...]
    index: int
    token: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """One explanation, as the benchmark needs it.

    Attributes:
        attributions: one for each target.
        points: forward and backward passes of one row; targets that share a forward pass share its point.
        rows: rows that went forward through the model, with a gradient or without.
        gradients: rows that went backward, once for each target.
        library_inputs: whether the model's inputs are prepared as transformers-interpret does.
        engine_seconds: how long the worker says that it took; 0.0 where there is none.
    """

    attributions: tuple[Attribution, ...]
    points: int
    rows: int
    gradients: int
    library_inputs: bool
    engine_seconds: float = 0.0
