"""The library: transformers-interpret in process, used as its README says."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from transformers import (
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
)
from transformers_interpret import (
    MultiLabelClassificationExplainer,
    QuestionAnsweringExplainer,
    SequenceClassificationExplainer,
    TokenClassificationExplainer,
    ZeroShotClassificationExplainer,
)

from benchmarks.contenders.row_count import RowCount
from benchmarks.contenders.setting import Setting
from benchmarks.models.silence import silence_loading
from benchmarks.workloads.questions import Accuracy, Answer, Attribution, Kind, Question

OWN_STEPS = 50
# For each kind transformers' class, and the explainer.
_CLASSES: Mapping[Kind, tuple[Any, Any]] = {
    Kind.TEXT: (AutoModelForSequenceClassification, SequenceClassificationExplainer),
    Kind.TOKENS: (AutoModelForTokenClassification, TokenClassificationExplainer),
    Kind.LABELS: (AutoModelForSequenceClassification, MultiLabelClassificationExplainer),
    Kind.HYPOTHESES: (AutoModelForSequenceClassification, ZeroShotClassificationExplainer),
    Kind.SPAN: (AutoModelForQuestionAnswering, QuestionAnsweringExplainer),
}


class Contender:
    """An explainer; accuracies are numbers of steps."""

    def __init__(self, setting: Setting) -> None:
        silence_loading()
        torch.set_num_threads(setting.threads)
        auto, explainer = _CLASSES[setting.kind]
        network = auto.from_pretrained(setting.model).eval().to(setting.device)
        self._rows = RowCount(network)
        self._explainer = explainer(network, AutoTokenizer.from_pretrained(setting.model))

    def explain(self, question: Question, accuracy: Accuracy) -> Answer:
        """Explain a question; of multi-label classification always in 50 steps, which is all it can."""
        self._rows.take()
        attributions = _ASKED[question.kind](self._explainer, question, accuracy.steps)
        points = len(attributions) * (accuracy.steps or 0)
        return Answer(tuple(attributions), points, self._rows.take(), points, library_inputs=True)

    def close(self) -> None:
        """Nothing is held."""


def _text(explainer: Any, question: Question, steps: int | None) -> list[Attribution]:
    # What a call is given stays; more steps than its own 50 would fill the memory in one batch.
    explainer.internal_batch_size = None if steps == OWN_STEPS else OWN_STEPS
    explainer(question.text, n_steps=steps)
    return [_attribution(explainer.attributions, int(explainer.selected_index))]


def _tokens(explainer: Any, question: Question, steps: int | None) -> list[Attribution]:
    explainer(question.text, n_steps=steps, ignored_indexes=list(question.ignored))
    classes = explainer.predicted_class_indexes.tolist()
    return [_attribution(each, classes[token], token) for token, each in explainer.attributions.items()]


def _labels(explainer: Any, question: Question, steps: int | None) -> list[Attribution]:
    explainer(question.text, n_steps=steps)
    return _numbered(explainer.attributions)


def _hypotheses(explainer: Any, question: Question, steps: int | None) -> list[Attribution]:
    explainer(question.text, list(question.labels), n_steps=steps, include_hypothesis=True)
    return _numbered(explainer.attributions)


def _span(explainer: Any, question: Question, steps: int | None) -> list[Attribution]:
    explainer(question.question, question.text, n_steps=steps)
    return _numbered(explainer.attributions)


_ASKED: Mapping[Kind, Callable[[Any, Question, int | None], list[Attribution]]] = {
    Kind.TEXT: _text,
    Kind.TOKENS: _tokens,
    Kind.LABELS: _labels,
    Kind.HYPOTHESES: _hypotheses,
    Kind.SPAN: _span,
}


def _numbered(attributions: Sequence[Any]) -> list[Attribution]:
    return [_attribution(each, number) for number, each in enumerate(attributions)]


def _attribution(attributions: Any, index: int, token: int | None = None) -> Attribution:
    """What the library normalises before it returns it; only of that the sum can be checked."""
    raw = attributions._attributions.detach().double().sum(dim=-1).squeeze(0)
    return Attribution(tuple(raw.tolist()), index, token)
