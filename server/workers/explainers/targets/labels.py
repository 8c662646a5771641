"""Which labels of a multi-label classifier a request means."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ligserve.server.workers.engine.outputs import ClassOutput
from ligserve.server.workers.explainers.plans.explained import Explained
from ligserve.server.workers.explainers.targets.classes import class_index, prediction_of
from ligserve.v1 import explanation_pb2, explanation_service_pb2


class LabelTargets:
    """The targets of a multi-label request: each label's own sigmoid.

    Args:
        labels: one per logit.
        asked: the labels to explain; none means all of them.
        space: the output space of all of them.
        field: the request's field that holds them, for error messages.

    Raises:
        InvalidArgumentError: a label that the model does not have.
    """

    def __init__(
        self,
        labels: Sequence[str],
        asked: Sequence[explanation_pb2.ClassReference],
        space: "explanation_pb2.OutputSpace.ValueType",
        field: str,
    ) -> None:
        self._labels = labels
        indexes = [class_index(labels, each, f"{field}[{n}]") for n, each in enumerate(asked)]
        self._outputs = [
            ClassOutput(index, None, space, among=(index,)) for index in indexes or range(len(labels))
        ]

    @property
    def count(self) -> int:
        """How many targets there are."""
        return len(self._outputs)

    def explained(self, logits: Tensor) -> list[Explained]:
        """What is explained, whatever the (C,) logits are."""
        return self.explained_of(int(logits.argmax()))

    def explained_of(self, predicted: int) -> list[Explained]:
        """What is explained, whatever is predicted."""
        return [
            Explained(output, self._described(output), self._labels[output.class_index])
            for output in self._outputs
        ]

    def outcome(self, logits: Sequence[Tensor]) -> explanation_service_pb2.Header:
        """Each label's own probability, from the (C,) logits of the only path; predicted is the largest."""
        prediction = prediction_of(self._labels, logits[0], torch.sigmoid(logits[0]))
        return explanation_service_pb2.Header(prediction=prediction)

    def chances(self, logits: Tensor) -> Tensor:
        """(B, C) logits to each label's own probability."""
        return torch.sigmoid(logits)

    def prediction(
        self, logits: Tensor, chances: Tensor, predicted: int
    ) -> explanation_service_pb2.Prediction:
        """A prediction as the header shows it."""
        return prediction_of(self._labels, logits, chances, predicted)

    def _described(self, output: ClassOutput) -> explanation_service_pb2.Target:
        """A target as the header shows it."""
        return explanation_service_pb2.Target(
            class_index=output.class_index,
            class_label=self._labels[output.class_index],
            output_space=output.space,
        )
