"""The library on a classifier of tokens: transformers-interpret in process."""

from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForTokenClassification, AutoTokenizer
from transformers_interpret import TokenClassificationExplainer

from benchmarks.row_count import RowCount
from benchmarks.workloads import Accuracy, Answer, Attribution


class Contender:
    """`TokenClassificationExplainer(model, tokenizer)`, used as its README says."""

    def __init__(self, model: Path, threads: int) -> None:
        torch.set_num_threads(threads)
        network = AutoModelForTokenClassification.from_pretrained(model).eval()
        self._rows = RowCount(network)
        self._explainer = TokenClassificationExplainer(network, AutoTokenizer.from_pretrained(model))

    def explain(self, text: str, accuracy: Accuracy) -> Answer:
        """Explain every token's label; `accuracy` is a number of steps."""
        self._rows.take()
        self._explainer(text, n_steps=accuracy.steps)
        rows = self._rows.take()
        classes = self._explainer.predicted_class_indexes.tolist()
        attributions = tuple(
            Attribution(_raw_scores(each), classes[token], token)
            for token, each in self._explainer.attributions.items()
        )
        return Answer(attributions, len(attributions) * (accuracy.steps or 0), rows, True)

    def close(self) -> None:
        """Nothing is held."""


def _raw_scores(attributions: Any) -> tuple[float, ...]:
    """What the library normalises before it returns it; only of that the sum can be checked."""
    return tuple(attributions._attributions.detach().double().sum(dim=-1).squeeze(0).tolist())
