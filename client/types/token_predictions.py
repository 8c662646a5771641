"""What a token classifier makes of each token of a text."""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import overload

from ligserve.client.types.inputs import Prediction
from ligserve.v1 import explanation_service_pb2 as service_pb


@dataclass(frozen=True, slots=True)
class TokenPredictions(Sequence[Prediction]):
    """One prediction for each token; made when it is asked for, since a long text has many.

    Attributes:
        labels: the labels, in the model's order.
    """

    labels: tuple[str, ...]
    _predicted: "array[int]" = field(repr=False)
    _probabilities: "array[float]" = field(repr=False)
    _logits: "array[float]" = field(repr=False)

    @classmethod
    def from_proto(
        cls, labels: Sequence[str], parts: Iterable[tuple[int, service_pb.TokenPredictions]]
    ) -> "TokenPredictions":
        """Put the windows' predictions together.

        Args:
            labels: the labels.
            parts: for each window where its tokens stand in the document, and its predictions.

        Raises:
            ValueError: they do not follow each other, or columns differ in length.
        """
        predicted, probabilities, logits = array("I"), array("f"), array("f")
        for start, part in parts:
            if part.predicted and start + part.first_token != len(predicted):
                raise ValueError(
                    f"predictions from token {start + part.first_token} on come after {len(predicted)}"
                )
            predicted.extend(part.predicted)
            probabilities.extend(part.probabilities)
            logits.extend(part.logits)
        if len(probabilities) != len(logits) or len(logits) != len(predicted) * len(labels):
            raise ValueError(
                f"{len(logits)} logits came for {len(predicted)} tokens and {len(labels)} labels"
            )
        if predicted and max(predicted) >= len(labels):
            raise ValueError(f"label {max(predicted)} is predicted, but there are {len(labels)}")
        return cls(tuple(labels), predicted, probabilities, logits)

    def __len__(self) -> int:
        return len(self._predicted)

    @overload
    def __getitem__(self, token: int) -> Prediction: ...

    @overload
    def __getitem__(self, token: slice) -> tuple[Prediction, ...]: ...

    def __getitem__(self, token: int | slice) -> Prediction | tuple[Prediction, ...]:
        places = range(len(self))[token]
        return self._of(places) if isinstance(places, int) else tuple(map(self._of, places))

    def __iter__(self) -> Iterator[Prediction]:
        return map(self._of, range(len(self)))

    def _of(self, token: int) -> Prediction:
        index, own = self._predicted[token], slice(token * len(self.labels), (token + 1) * len(self.labels))
        return Prediction(
            labels=self.labels,
            probabilities=tuple(self._probabilities[own]),
            logits=tuple(self._logits[own]),
            index=index,
            label=self.labels[index],
        )
