"""What is asked: several explainers, texts of many lengths, and questions that are wrong."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from benchmarks.soak.models import ANSWERER, CLASSIFIER, ENTAILMENT, SECOND, TAGGER
from benchmarks.texts import LONG, SHORT, TOPICS
from ligserve.client import (
    MultiLabelClassification,
    QuestionAnswering,
    SequenceClassification,
    Task,
    TokenClassification,
    ZeroShotClassification,
)
from ligserve.client.options import ExplainKeywords

ONE_IN_SO_MANY_IS_WRONG = 10
_ACCURACIES: tuple[ExplainKeywords, ...] = ({"tolerance": 0.05}, {"tolerance": 0.01}, {"n_steps": 20})


@dataclass(frozen=True, slots=True)
class Asked:
    """A call.

    Attributes:
        kind: how it is counted.
        model: name of the model.
        task: the question.
        options: how it is to be answered.
        streamed: whether as a stream.
        wrong: whether the answer has to be an error.
    """

    kind: str
    model: str
    task: Task
    options: ExplainKeywords
    streamed: bool
    wrong: bool = False


def mixed(chance: random.Random) -> Asked:
    """Any request; one in ten is wrong."""
    kind = chance.choice(list(_KINDS))
    model, task = _KINDS[kind](chance)
    options = chance.choice(_ACCURACIES)
    asked = Asked(kind, model, task, options, streamed=chance.random() < 0.5)
    return chance.choice(_WRONG)(asked) if chance.randrange(ONE_IN_SO_MANY_IS_WRONG) == 0 else asked


def lasting(chance: random.Random) -> Asked:
    """A request that takes dozens of small batches."""
    task = SequenceClassification(chance.choice(SHORT))
    return Asked("lasting", CLASSIFIER, task, {"n_steps": 100}, streamed=chance.random() < 0.5)


_KINDS: Mapping[str, Callable[[random.Random], tuple[str, Task]]] = {
    "short text": lambda chance: (CLASSIFIER, SequenceClassification(chance.choice(SHORT))),
    "other architecture": lambda chance: (SECOND, SequenceClassification(chance.choice(SHORT))),
    "long text": lambda chance: (CLASSIFIER, SequenceClassification(chance.choice(LONG))),
    "labels": lambda chance: (CLASSIFIER, MultiLabelClassification(chance.choice(SHORT))),
    "tokens": lambda chance: (TAGGER, TokenClassification(chance.choice(SHORT))),
    "hypotheses": lambda chance: (
        ENTAILMENT,
        ZeroShotClassification(chance.choice(SHORT), TOPICS[:3], multi_label=chance.random() < 0.5),
    ),
    "answer": lambda chance: (ANSWERER, QuestionAnswering("Who?", chance.choice(SHORT))),
}


def _no_model(asked: Asked) -> Asked:
    return replace(asked, kind="no such model", model="nobody", wrong=True)


def _wrong_model(asked: Asked) -> Asked:
    task = QuestionAnswering("Who?", SHORT[0])
    return replace(asked, kind="wrong model", model=CLASSIFIER, task=task, wrong=True)


def _no_class(asked: Asked) -> Asked:
    task = SequenceClassification(SHORT[0], targets=(99,))
    return replace(asked, kind="no such class", model=CLASSIFIER, task=task, wrong=True)


def _no_time(asked: Asked) -> Asked:
    options: ExplainKeywords = {"n_steps": 4000, "timeout": 0.02}
    task = SequenceClassification(SHORT[0])
    return replace(asked, kind="no time", model=CLASSIFIER, task=task, options=options, wrong=True)


_WRONG = (_no_model, _wrong_model, _no_class, _no_time)
