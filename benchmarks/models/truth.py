"""The true completeness error of an explanation, worked out with plain torch and nothing of ours."""

from pathlib import Path

import torch
from torch import Tensor
from transformers import (
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
)

from benchmarks.models.heads import ENTAILMENT_LABELS
from benchmarks.models.rows import Row, rows
from benchmarks.workloads.questions import Answer, Attribution, Kind, Question

_AUTO = {Kind.TOKENS: AutoModelForTokenClassification, Kind.SPAN: AutoModelForQuestionAnswering}
_CONTRADICTION, _ENTAILMENT = (ENTAILMENT_LABELS.index(name) for name in ("contradiction", "entailment"))


class Truth:
    """f(input) - f(baseline) on the path that was integrated, for a BERT model.

    Args:
        kind: what is asked of the model.
        model: its directory.
    """

    def __init__(self, kind: Kind, model: Path) -> None:
        self._kind = kind
        self._model = _AUTO.get(kind, AutoModelForSequenceClassification).from_pretrained(model).eval()
        self._tokenizer = AutoTokenizer.from_pretrained(model)
        self._known: dict[tuple[Question, bool], Tensor] = {}

    def error(self, question: Question, answer: Answer) -> float:
        """|sum of scores - difference|, relative to the larger of |difference| and the sum of |scores|.

        Of several targets the largest.
        """
        key = (question, answer.library_inputs)
        if key not in self._known:
            self._known[key] = self._difference(*key)
        return max(_error(each, self._known[key]) for each in answer.attributions)

    def tokens(self, question: Question) -> int:
        """Number of tokens of a row, special tokens included."""
        return len(rows(self._tokenizer, question, library=False)[0].special)

    @torch.no_grad()
    def _difference(self, question: Question, library: bool) -> Tensor:
        """f(input) - f(baseline) of every output: (C,), (T, C), or (L,) for candidate labels."""
        changes = [
            self._outputs(row.inputs, row, library) - self._outputs(row.baseline, row, library)
            for row in rows(self._tokenizer, question, library=library)
        ]
        return torch.stack(changes) if self._kind is Kind.HYPOTHESES else changes[0]

    def _outputs(self, inputs: dict[str, Tensor], row: Row, library: bool) -> Tensor:
        output = self._model(**inputs)
        if self._kind is Kind.SPAN:
            logits = torch.stack([output.start_logits[0], output.end_logits[0]], dim=1).double()
            return logits.amax(dim=0) if library else _chances_in_context(logits, row)
        logits = output.logits.double()[0]
        if self._kind is Kind.LABELS:
            return torch.sigmoid(logits)
        if self._kind is Kind.HYPOTHESES:
            return _entailment(logits, library)
        return torch.softmax(logits, dim=-1)


def _entailment(logits: Tensor, library: bool) -> Tensor:
    """The library weighs entailment against all classes, transformers' pipeline against contradiction."""
    if library:
        return torch.softmax(logits, dim=0)[_ENTAILMENT]
    return torch.softmax(logits[[_CONTRADICTION, _ENTAILMENT]], dim=0)[1]


def _chances_in_context(logits: Tensor, row: Row) -> Tensor:
    """(T, 2) probabilities of a start and of an end, shared out by the context and the first token."""
    competing = (row.inputs["token_type_ids"][0] == 1) & ~row.special
    competing[0] = True
    return torch.softmax(logits.where(competing[:, None], -torch.inf), dim=0)


def _error(attribution: Attribution, differences: Tensor) -> float:
    change = differences if attribution.token is None else differences[attribution.token]
    difference = float(change[attribution.index])
    scale = max(abs(difference), sum(map(abs, attribution.scores)))
    return abs(sum(attribution.scores) - difference) / scale
