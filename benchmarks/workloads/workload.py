"""The workloads W1 to W6: which questions, and whose answers are compared."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from benchmarks.texts import CONTEXTS, LONG, MIDDLE, SHORT, TOPICS
from benchmarks.workloads.questions import Accuracy, Kind, Question

LIBRARY, BY_HAND, LIGSERVE = "transformers-interpret", "captum by hand", "ligserve"
STEPS = Accuracy(steps=50)
FAST, STANDARD, EXACT = (Accuracy(tolerance=each) for each in (0.05, 0.01, 0.001))


@dataclass(frozen=True, slots=True)
class Entrant:
    """A contender at one accuracy: a line of the table."""

    contender: str
    accuracy: Accuracy


def entrants(*contenders: str, tolerances: Sequence[Accuracy] = (FAST, STANDARD)) -> tuple[Entrant, ...]:
    """The library in 50 steps, which the others are compared with; others in 50; ours to each tolerance."""
    by_steps = (Entrant(contender, STEPS) for contender in (LIBRARY, *contenders, LIGSERVE))
    return (*by_steps, *(Entrant(LIGSERVE, tolerance) for tolerance in tolerances))


@dataclass(frozen=True, slots=True)
class Workload:
    """Questions of one kind, of about the same length.

    Attributes:
        code: what --only calls it.
        name: what the table calls it.
        questions: what is asked.
        entrants: the lines of the table, the one that is compared with first.
        repeated: whether each question is asked as often as --repetitions says; false where an answer takes
            the library many seconds: once.
        matched: whether the steps are looked for that the library needs to be as exact as 1 % is.
    """

    code: str
    name: str
    questions: tuple[Question, ...]
    entrants: tuple[Entrant, ...] = field(default_factory=lambda: entrants(BY_HAND))
    repeated: bool = False
    matched: bool = False

    @property
    def kind(self) -> Kind:
        """What kind all the questions are of."""
        return self.questions[0].kind


def _about(kind: Kind, texts: Sequence[str]) -> tuple[Question, ...]:
    return tuple(Question(kind, text) for text in texts)


# Random weights; T is about 120, and no other than text classification is needed to see how fast rows go.
BASE_WORKLOAD = Workload(
    "BASE",
    "BERT-base's shape",
    _about(Kind.TEXT, LONG[:2]),
    entrants(tolerances=(FAST, STANDARD, replace(FAST, precision="bfloat16"))),
)
WORKLOADS = (
    Workload(
        "W1",
        "short",
        _about(Kind.TEXT, SHORT),
        entrants(BY_HAND, tolerances=(FAST, STANDARD, EXACT)),
        repeated=True,
        matched=True,
    ),
    Workload(
        "W2",
        "long",
        _about(Kind.TEXT, LONG),
        entrants(BY_HAND, tolerances=(FAST, STANDARD, EXACT)),
        matched=True,
    ),
    Workload("W3", "every token's label", _about(Kind.TOKENS, MIDDLE[:2]), entrants()),
    Workload("W4", "28 labels", _about(Kind.LABELS, MIDDLE[:2])),
    Workload(
        "W5",
        "zero-shot, 10 labels",
        tuple(Question(Kind.HYPOTHESES, text, labels=TOPICS) for text in SHORT[:3]),
    ),
    Workload(
        "W6",
        "question answering",
        tuple(Question(Kind.SPAN, context, question=question) for question, context in CONTEXTS),
    ),
)
