"""What the matrix has to know of an explainer to try it on an architecture."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from ligserve.client import Explanation, Task
from tests.conftest import NLI_LABELS
from tests.matrix.differences import differing_inputs
from tests.zoo import ARCHITECTURES, build_model

Scores = list[list[tuple[str, float]]]
PROBABILITY_TOLERANCE = 1e-6


def predicted(answer: Explanation) -> Sequence[float]:
    """The probabilities of an answer with one prediction."""
    assert answer.prediction is not None
    return answer.prediction.probabilities


def as_lists(answer: Any) -> Scores:
    """The lists of tokens and scores in an explainer's answer, whether it is one or has a name for each."""
    return list(answer.values()) if isinstance(answer, Mapping) else [answer]


@dataclass(frozen=True)
class Question:
    """What is asked in FAITHFUL.

    Attributes:
        task: the question.
        probabilities: from a model's directory to what must be predicted: what the plain model gives.
        found: from an answer to what was predicted.
        tolerance: by how much they may be apart.
    """

    task: Task
    probabilities: Callable[[Path], Tensor]
    found: Callable[[Explanation], Sequence[float]] = predicted
    tolerance: float = PROBABILITY_TOLERANCE


@dataclass(frozen=True)
class Column:
    """An explainer, and how its answers are checked.

    Attributes:
        title: heading of its columns in the table.
        explainer: name of its field in ExplainRequest.
        questions: what is asked in FAITHFUL; the first is the library's question too.
        drop_in: the client's class that stands in for the library's.
        library: from a model's directory to the library's explainer.
        arguments: what both are called with.
        scores: from what either returns to lists that can be compared.
        architectures: the rows that it has.
        build: writes a row's model into a directory.
        differing: from a model's directory and a question to what differs in the inputs of the conventions.
        nonsense: what is wrong with the library's scores, although they are numbers; empty: nothing.
        output: what FAITHFUL explains where that is another function than the library's; empty: the same.
    """

    title: str
    explainer: str
    questions: tuple[Question, ...]
    drop_in: Any
    library: Callable[[Path], Any]
    arguments: tuple[Any, ...]
    scores: Callable[[Any], Scores] = as_lists
    architectures: Mapping[str, Any] = field(default_factory=lambda: ARCHITECTURES)
    build: Callable[[Any, Path], Path] = lambda row, directory: build_model(row, directory, labels=NLI_LABELS)
    differing: Callable[[Path, Task], list[str]] = differing_inputs
    nonsense: Callable[[Scores], str] = lambda scores: ""
    output: str = ""
