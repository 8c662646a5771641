"""The library: transformers-interpret in process."""

from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from transformers_interpret import SequenceClassificationExplainer

from benchmarks.row_count import RowCount
from benchmarks.workloads import Accuracy, Answer, Attribution


class Contender:
    """`SequenceClassificationExplainer(model, tokenizer)`, used as its README says."""

    def __init__(self, model: Path, threads: int) -> None:
        torch.set_num_threads(threads)
        network = AutoModelForSequenceClassification.from_pretrained(model).eval()
        self._rows = RowCount(network)
        self._explainer = SequenceClassificationExplainer(network, AutoTokenizer.from_pretrained(model))

    def explain(self, text: str, accuracy: Accuracy) -> Answer:
        """Explain the predicted class; `accuracy` is a number of steps."""
        self._rows.take()
        self._explainer(text, n_steps=accuracy.steps)
        # What it returns is normalised; the sum can only be checked on what it normalised.
        raw = self._explainer.attributions._attributions.detach().double().sum(dim=-1).squeeze(0)
        attribution = Attribution(tuple(raw.tolist()), int(self._explainer.selected_index))
        return Answer((attribution,), accuracy.steps or 0, self._rows.take(), True)

    def close(self) -> None:
        """Nothing is held."""
