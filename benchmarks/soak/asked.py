"""What is asked: several explainers, texts of many lengths, and questions that are wrong."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from benchmarks.soak.made import made_text
from benchmarks.soak.models import ANSWERER, CLASSIFIER, ENTAILMENT, SECOND, TAGGER
from benchmarks.texts import SHORT, TOPICS
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


def lasting(chance: random.Random, kind: str) -> Asked:
    """A request that takes many small batches; of a kind of LASTING."""
    model, task, options = LASTING[kind](chance)
    return Asked(kind, model, task, options, streamed=chance.random() < 0.5)


_KINDS: Mapping[str, Callable[[random.Random], tuple[str, Task]]] = {
    "short text": lambda chance: (CLASSIFIER, SequenceClassification(made_text(chance))),
    "other architecture": lambda chance: (SECOND, SequenceClassification(made_text(chance))),
    "long text": lambda chance: (CLASSIFIER, SequenceClassification(made_text(chance, 60, 90))),
    "labels": lambda chance: (CLASSIFIER, MultiLabelClassification(made_text(chance))),
    "tokens": lambda chance: (TAGGER, TokenClassification(made_text(chance))),
    "hypotheses": lambda chance: (
        ENTAILMENT,
        ZeroShotClassification(made_text(chance), TOPICS[:3], multi_label=chance.random() < 0.5),
    ),
    "answer": lambda chance: (ANSWERER, QuestionAnswering("Who?", made_text(chance))),
}


# What is cancelled. Fixed steps and tolerances, one path and several, one target and many.
LASTING: Mapping[str, Callable[[random.Random], tuple[str, Task, ExplainKeywords]]] = {
    "steps": lambda chance: (CLASSIFIER, SequenceClassification(made_text(chance)), {"n_steps": 100}),
    "tolerance": lambda chance: (SECOND, SequenceClassification(made_text(chance)), {"tolerance": 1e-4}),
    "document": lambda chance: (
        CLASSIFIER,
        SequenceClassification(made_text(chance, 150, 250)),
        {"n_steps": 20, "long_input": "window"},
    ),
    "tokens": lambda chance: (TAGGER, TokenClassification(made_text(chance)), {"n_steps": 30}),
    "hypotheses": lambda chance: (
        ENTAILMENT,
        ZeroShotClassification(made_text(chance), TOPICS[:3], multi_label=chance.random() < 0.5),
        {"n_steps": 30},
    ),
    "answer": lambda chance: (ANSWERER, QuestionAnswering("Who?", made_text(chance)), {"n_steps": 60}),
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
