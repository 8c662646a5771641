"""captum's LayerIntegratedGradients in process, as one who knows it calls it by hand."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from captum.attr import LayerIntegratedGradients
from torch import Tensor
from transformers import AutoModelForQuestionAnswering, AutoModelForSequenceClassification, AutoTokenizer

from benchmarks.contenders.row_count import RowCount
from benchmarks.contenders.setting import Setting
from benchmarks.models.heads import ENTAILMENT_LABELS, HYPOTHESIS
from benchmarks.models.silence import silence_loading
from benchmarks.workloads.questions import Accuracy, Answer, Attribution, Kind, Question

# What a target is, (B,), of the model's output for B rows.
Function = Callable[[Any], Tensor]
_ENTAILMENT_AND_CONTRADICTION = [ENTAILMENT_LABELS.index(name) for name in ("entailment", "contradiction")]


@dataclass(frozen=True, slots=True)
class Target:
    """A target of a row; index and token as in `Attribution`."""

    index: int
    token: int | None
    function: Function


class Contender:
    """Probabilities, on the tokenizer's own inputs; texts start as padding tokens. A run for each target."""

    def __init__(self, setting: Setting) -> None:
        silence_loading()
        torch.set_num_threads(setting.threads)
        of_span = setting.kind is Kind.SPAN
        auto = AutoModelForQuestionAnswering if of_span else AutoModelForSequenceClassification
        self._device = setting.device
        self._model = auto.from_pretrained(setting.model).eval().to(setting.device)
        self._rows = RowCount(self._model)
        self._tokenizer = AutoTokenizer.from_pretrained(setting.model)

    def explain(self, question: Question, accuracy: Accuracy) -> Answer:
        """Explain every target of a question; `accuracy` is a number of steps."""
        self._rows.take()
        attributions = [
            self._explained(texts, target, accuracy.steps or 0)
            for texts in _texts(question)
            for target in self._targets(question, texts)
        ]
        if question.kind is Kind.HYPOTHESES:
            attributions = _numbered(attributions)
        points = len(attributions) * (accuracy.steps or 0)
        return Answer(tuple(attributions), points, self._rows.take(), points, library_inputs=False)

    def close(self) -> None:
        """Nothing is held."""

    def _explained(self, texts: Sequence[str], target: Target, steps: int) -> Attribution:
        inputs, special = self._inputs(texts)
        ids, mask, types = (inputs[name] for name in ("input_ids", "attention_mask", "token_type_ids"))
        method = LayerIntegratedGradients(
            lambda *row: target.function(self._model(row[0], attention_mask=row[1], token_type_ids=row[2])),
            self._model.get_input_embeddings(),
        )
        attributions = method.attribute(
            ids,
            baselines=torch.where(special, ids, self._tokenizer.pad_token_id),
            additional_forward_args=(mask, types),
            n_steps=steps,
        )
        scores = attributions.detach().double().sum(dim=-1).squeeze(0)
        return Attribution(tuple(scores.tolist()), target.index, target.token)

    def _inputs(self, texts: Sequence[str]) -> tuple[dict[str, Tensor], Tensor]:
        inputs = self._tokenizer(*texts, return_tensors="pt", return_special_tokens_mask=True)
        inputs = inputs.to(self._device)
        special = inputs.pop("special_tokens_mask").bool()
        return dict(inputs), special

    @torch.no_grad()
    def _targets(self, question: Question, texts: Sequence[str]) -> Sequence[Target]:
        """The targets of a row."""
        if question.kind is Kind.HYPOTHESES:
            return [Target(0, None, _entailment)]
        inputs, special = self._inputs(texts)
        output = self._model(**inputs)
        if question.kind is Kind.SPAN:
            inside = (inputs["token_type_ids"] == 1) & ~special
            inside[:, 0] = True
            return [_end(output, inside, number) for number in (0, 1)]
        if question.kind is Kind.LABELS:
            return [Target(label, None, _label(label)) for label in range(output.logits.shape[1])]
        target = int(output.logits.argmax())
        return [Target(target, None, _class(target))]


def _texts(question: Question) -> list[tuple[str, ...]]:
    if question.kind is Kind.SPAN:
        return [(question.question, question.text)]
    if question.kind is Kind.HYPOTHESES:
        return [(question.text, HYPOTHESIS.format(label)) for label in question.labels]
    return [(question.text,)]


def _numbered(attributions: Sequence[Attribution]) -> list[Attribution]:
    return [Attribution(each.scores, number) for number, each in enumerate(attributions)]


def _class(index: int) -> Function:
    return lambda output: output.logits.softmax(dim=-1)[:, index]


def _label(index: int) -> Function:
    return lambda output: output.logits[:, index].sigmoid()


def _entailment(output: Any) -> Tensor:
    return torch.softmax(output.logits[:, _ENTAILMENT_AND_CONTRADICTION], dim=1)[:, 0]


def _end(output: Any, inside: Tensor, number: int) -> Target:
    """The likeliest start (0) or end (1) among the tokens of the context and the first token."""

    def chances(output: Any) -> Tensor:
        logits = (output.start_logits, output.end_logits)[number]
        return torch.softmax(logits.where(inside, -torch.inf), dim=1)

    token = int(chances(output).argmax())
    return Target(number, token, lambda output: chances(output)[:, token])
