"""captum's LayerIntegratedGradients in process, as one who knows it calls it by hand."""

from pathlib import Path

import torch
from captum.attr import LayerIntegratedGradients
from torch import Tensor
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from benchmarks.row_count import RowCount
from benchmarks.workloads import Accuracy, Answer, Attribution


class Contender:
    """The predicted class's probability, on the tokenizer's own inputs; the text starts as padding tokens."""

    def __init__(self, model: Path, threads: int) -> None:
        torch.set_num_threads(threads)
        self._model = AutoModelForSequenceClassification.from_pretrained(model).eval()
        self._rows = RowCount(self._model)
        self._tokenizer = AutoTokenizer.from_pretrained(model)
        self._method = LayerIntegratedGradients(self._probability, self._model.get_input_embeddings())

    def explain(self, text: str, accuracy: Accuracy) -> Answer:
        """Explain the predicted class; `accuracy` is a number of steps."""
        self._rows.take()
        inputs = self._tokenizer(text, return_tensors="pt", return_special_tokens_mask=True)
        special = inputs.pop("special_tokens_mask").bool()
        ids = inputs.pop("input_ids")
        with torch.no_grad():
            target = int(self._model(ids, **inputs).logits.argmax())
        attributions = self._method.attribute(
            ids,
            baselines=torch.where(special, ids, self._tokenizer.pad_token_id),
            additional_forward_args=(inputs["attention_mask"], inputs["token_type_ids"], target),
            n_steps=accuracy.steps,
        )
        scores = attributions.detach().double().sum(dim=-1).squeeze(0)
        steps = accuracy.steps or 0
        return Answer((Attribution(tuple(scores.tolist()), target),), steps, self._rows.take(), False)

    def close(self) -> None:
        """Nothing is held."""

    def _probability(self, ids: Tensor, mask: Tensor, types: Tensor, target: int) -> Tensor:
        output: Tensor = self._model(ids, attention_mask=mask, token_type_ids=types).logits
        return output.softmax(dim=-1)[:, target]
