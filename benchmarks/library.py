"""The library: transformers-interpret in process."""

from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from transformers_interpret import SequenceClassificationExplainer

from benchmarks.workloads import Accuracy, Answer


class Contender:
    """`SequenceClassificationExplainer(model, tokenizer)`, used as its README says."""

    def __init__(self, model: Path, threads: int) -> None:
        torch.set_num_threads(threads)
        network = AutoModelForSequenceClassification.from_pretrained(model).eval()
        self._explainer = SequenceClassificationExplainer(network, AutoTokenizer.from_pretrained(model))

    def explain(self, text: str, accuracy: Accuracy) -> Answer:
        """Explain the predicted class; `accuracy` is a number of steps."""
        self._explainer(text, n_steps=accuracy.steps)
        # What it returns is normalised; the sum can only be checked on what it normalised.
        raw = self._explainer.attributions._attributions.detach().double().sum(dim=-1).squeeze(0)
        return Answer(tuple(raw.tolist()), int(self._explainer.selected_index), accuracy.steps or 0, True)

    def close(self) -> None:
        """Nothing is held."""
