"""The candidate labels of a zero-shot request, as targets of an entailment model."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ligserve.server.workers.engine.outputs import ClassOutput
from ligserve.server.workers.explainers.plans.explained import Explained
from ligserve.server.workers.explainers.targets.classes import prediction_of
from ligserve.server.workers.explainers.targets.entailment import (
    contradiction_index,
    entailment_index,
    library_entailment_index,
)
from ligserve.server.workers.models.loaded import TextModel
from ligserve.server.workers.quadrature.rule import Floats
from ligserve.v1 import explanation_pb2, explanation_service_pb2


class Candidates:
    """What is explained for each candidate label: how far its hypothesis is entailed.

    In FAITHFUL entailment shares the probability with contradiction alone, label by label, as transformers'
    zero-shot pipeline has it with multi_label=True. In LIBRARY it is the softmax over all the model's
    classes, and the prediction the sigmoids of the entailment logits over their sum.

    Args:
        model: an entailment model.
        labels: the candidates.
        space: the output space of all of them.
        library: whether the library's habits are followed.
    """

    def __init__(
        self,
        model: TextModel,
        labels: Sequence[str],
        space: "explanation_pb2.OutputSpace.ValueType",
        *,
        library: bool,
    ) -> None:
        find = library_entailment_index if library else entailment_index
        entailment = find(model.labels)
        if entailment is None:
            raise RuntimeError("a model without an entailment label was not refused")
        self._labels = labels
        self._model_labels = model.labels
        self._library = library
        self._entailment = entailment
        self._contradiction = contradiction_index(model.labels, entailment)
        among = None if library else (self._contradiction, entailment)
        self._output = ClassOutput(entailment, None, space, among=among)

    def explained(self, number: int) -> Callable[[Tensor], list[Explained]]:
        """What a candidate's path explains, whatever its (C,) logits are."""
        explained = self._explained(number, window=number)
        return lambda logits: [explained]

    def explained_in_windows(self) -> list[Explained]:
        """The candidates, each about the windows that have its hypothesis."""
        return [self._explained(number, candidate=number) for number in range(len(self._labels))]

    def outcome(self, logits: Sequence[Tensor]) -> explanation_service_pb2.Header:
        """The candidates' probabilities, from the (C,) logits of each one's path."""
        judged = self.judged(torch.stack(list(logits)))
        return explanation_service_pb2.Header(prediction=self.prediction(judged, torch.sigmoid(judged)))

    def judged(self, logits: Tensor) -> Tensor:
        """(N, C) logits to the (N,) whose sigmoids are probabilities (LIBRARY: are over their sum)."""
        entailment = logits[:, self._entailment]
        return entailment if self._library else entailment - logits[:, self._contradiction]

    def prediction(self, judged: Tensor, chances: Tensor) -> explanation_service_pb2.Prediction:
        """The header's, from what is `judged` for each candidate, (L,), and its sigmoids."""
        shown = chances / chances.sum() if self._library else chances
        return prediction_of(self._labels, judged, shown, int(chances.argmax()))

    def values(self, logits: Tensor) -> Floats:
        """(N, C) logits to (N,): the output that is explained, the same function for every candidate."""
        values: Floats = self._output(logits).numpy()
        return values

    def warnings(self) -> list[explanation_service_pb2.Warning]:
        """Says so where the pipeline weighs entailment against something else than contradiction."""
        says_no = [label for label in self._model_labels if label.strip().lower().startswith("contra")]
        weighed = self._model_labels[self._contradiction]
        if self._library or not says_no or weighed in says_no:
            return []
        message = (
            f"entailment is weighed against '{weighed}' rather than '{says_no[0]}', as transformers' "
            "zero-shot pipeline does for this order of labels"
        )
        return [explanation_service_pb2.Warning(code="ENTAILMENT_NOT_AGAINST_CONTRADICTION", message=message)]

    def _explained(self, number: int, window: int | None = None, candidate: int | None = None) -> Explained:
        target = explanation_service_pb2.Target(
            class_index=number,
            class_label=self._labels[number],
            output_space=self._output.space,
            window=window,
            candidate=candidate,
        )
        return Explained(self._output, target, self._labels[number])
