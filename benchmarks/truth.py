"""The true completeness error of an explanation, worked out with plain torch and nothing of ours."""

import re
from pathlib import Path

import torch
from torch import Tensor
from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification, AutoTokenizer

from benchmarks.workloads import Answer, Attribution


class Truth:
    """f(input) - f(baseline) on the path that was integrated, for a BERT classifier.

    The path moves word embeddings only: positions, token types and mask are the input's at both ends.

    Args:
        model: directory of the classifier.
        of_tokens: whether it classifies each token, rather than the text.
    """

    def __init__(self, model: Path, *, of_tokens: bool = False) -> None:
        kind = AutoModelForTokenClassification if of_tokens else AutoModelForSequenceClassification
        self._of_tokens = of_tokens
        self._model = kind.from_pretrained(model).eval()
        self._tokenizer = AutoTokenizer.from_pretrained(model)
        self._known: dict[tuple[str, bool], tuple[Tensor, Tensor]] = {}

    def error(self, text: str, answer: Answer) -> float:
        """|sum of scores - difference|, relative to the larger of |difference| and the sum of |scores|.

        Of several targets the largest.
        """
        key = (text, answer.library_inputs)
        if key not in self._known:
            self._known[key] = self._ends(*key)
        return max(_error(each, *self._known[key]) for each in answer.attributions)

    def tokens(self, text: str) -> int:
        """Number of tokens of a text, special tokens included."""
        return len(self._tokenizer(text)["input_ids"])

    def _ends(self, text: str, library_inputs: bool) -> tuple[Tensor, Tensor]:
        """Probabilities of every class at the baseline and at the input, (C,) or (T, C)."""
        inputs = self._tokenizer(
            cleaned(text) if library_inputs else text, return_tensors="pt", return_special_tokens_mask=True
        )
        ids, special = inputs["input_ids"], inputs["special_tokens_mask"].bool()
        # It passes none to classifiers of tokens, and the tokenizer's are what the model then assumes.
        own_types = library_inputs and not self._of_tokens
        types = library_token_types(ids.shape[1]) if own_types else inputs["token_type_ids"]
        baseline = torch.where(special, ids, self._tokenizer.pad_token_id)
        return self._probabilities(baseline, types), self._probabilities(ids, types)

    def _probabilities(self, ids: Tensor, types: Tensor) -> Tensor:
        with torch.no_grad():
            output = self._model(input_ids=ids, token_type_ids=types, attention_mask=torch.ones_like(ids))
        probabilities: Tensor = output.logits.double().softmax(dim=-1)[0]
        return probabilities


def _error(attribution: Attribution, start: Tensor, end: Tensor) -> float:
    change = end - start if attribution.token is None else (end - start)[attribution.token]
    difference = float(change[attribution.class_index])
    scale = max(abs(difference), sum(map(abs, attribution.scores)))
    return abs(sum(attribution.scores) - difference) / scale


def cleaned(text: str) -> str:
    """The text as transformers-interpret hands it to the tokenizer."""
    return re.sub(r"\s{2,}", " ", re.sub(r"([.,!?()])", r" \1 ", text))


def library_token_types(length: int) -> Tensor:
    """Its token types for one text of `length` tokens: the last token is of type 1."""
    types = torch.zeros(1, length, dtype=torch.long)
    types[0, -1] = 1
    return types
