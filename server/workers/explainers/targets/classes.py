"""Which classes a request means."""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor

from ligserve.server.errors import FieldViolation, InvalidArgumentError
from ligserve.server.workers.engine.outputs import ClassOutput, probabilities
from ligserve.server.workers.explainers.plans.explained import Explained
from ligserve.v1 import explanation_pb2, explanation_service_pb2

# A list of all classes in an error message ends here.
_LISTED_CLASSES = 20
_LONGEST_NAME = 60

_SPACES = {
    explanation_pb2.OUTPUT_SPACE_PROBABILITY: "probability",
    explanation_pb2.OUTPUT_SPACE_LOG_ODDS: "log-odds",
    explanation_pb2.OUTPUT_SPACE_LOGIT: "logit",
}


class ClassTargets:
    """The targets of a classification request, checked against a model's labels.

    Args:
        labels: one per logit.
        targets: as asked for; none means the predicted class.
        space: the output space of those that name none.
        field: the request's field that holds the targets, for error messages.
        flipped: whether a single logit's opposite is explained.

    Raises:
        InvalidArgumentError: a class that the model does not have.
    """

    def __init__(
        self,
        labels: Sequence[str],
        targets: Sequence[explanation_pb2.ClassTarget],
        space: "explanation_pb2.OutputSpace.ValueType",
        field: str,
        *,
        flipped: bool = False,
    ) -> None:
        self._labels = labels
        self._flipped = flipped and len(labels) == 1
        asked = targets or [explanation_pb2.ClassTarget()]
        self._asked = [
            (
                self._class(target, "label", f"{field}[{n}]"),
                self._class(target, "versus", f"{field}[{n}]"),
                target.output_space or space,
            )
            for n, target in enumerate(asked)
        ]
        self._in_one_space = len({space for _, _, space in self._asked}) == 1

    @property
    def count(self) -> int:
        """How many targets there are."""
        return len(self._asked)

    def explained(self, logits: Tensor) -> list[Explained]:
        """What is explained, now that the model's output for the input, (C,), is known."""
        return self.explained_of(int(logits.argmax()))

    def explained_of(self, predicted: int) -> list[Explained]:
        """What is explained, now that the predicted class is known."""
        outputs = [
            ClassOutput(predicted if label is None else label, versus, space, flipped=self._flipped)
            for label, versus, space in self._asked
        ]
        return [Explained(output, self._described(output), self._name(output)) for output in outputs]

    def outcome(self, logits: Sequence[Tensor]) -> explanation_service_pb2.Header:
        """The prediction that the (C,) logits of the only path make."""
        prediction = prediction_of(self._labels, logits[0], probabilities(logits[0][None])[0])
        return explanation_service_pb2.Header(prediction=prediction)

    def chances(self, logits: Tensor) -> Tensor:
        """(B, C) logits to probabilities: a softmax, or the sigmoid of a single logit."""
        return probabilities(logits)

    def prediction(
        self, logits: Tensor, chances: Tensor, predicted: int
    ) -> explanation_service_pb2.Prediction:
        """A prediction as the header shows it."""
        return prediction_of(self._labels, logits, chances, predicted)

    def _described(self, output: ClassOutput) -> explanation_service_pb2.Target:
        """A target as the header shows it."""
        target = explanation_service_pb2.Target(
            class_index=output.class_index,
            class_label=self._labels[output.class_index],
            output_space=output.space,
        )
        if output.versus_index is not None:
            target.versus_index = output.versus_index
            target.versus_label = self._labels[output.versus_index]
        return target

    def _name(self, output: ClassOutput) -> str:
        """What warnings call a target; its space tells it from the same class in another one."""
        name = ("not " if self._flipped else "") + self._labels[output.class_index]
        if output.versus_index is not None:
            name += f" rather than {self._labels[output.versus_index]}"
        return name if self._in_one_space else f"{name} ({_SPACES[output.space]})"

    def _class(
        self, target: explanation_pb2.ClassTarget, name: Literal["label", "versus"], path: str
    ) -> int | None:
        """Position of the class that a target's field means; None where it is not set."""
        if not target.HasField(name):
            return None
        reference = target.label if name == "label" else target.versus
        return class_index(self._labels, reference, f"{path}.{name}")


def class_index(labels: Sequence[str], reference: explanation_pb2.ClassReference, field: str) -> int:
    """Position of the class that a reference means.

    Raises:
        InvalidArgumentError: the model has no such class.
    """
    if reference.WhichOneof("reference") == "index":
        if reference.index < len(labels):
            return reference.index
        problem = f"there is no class {reference.index}"
    else:
        if reference.name in labels:
            return labels.index(reference.name)
        problem = f"there is no class '{_shortened(reference.name)}'"
    violation = FieldViolation(field, f"{problem}; the classes are {_listing(labels)}")
    raise InvalidArgumentError([violation], reason="UNKNOWN_CLASS")


def prediction_of(
    labels: Sequence[str], logits: Tensor, chances: Tensor, predicted: int | None = None
) -> explanation_service_pb2.Prediction:
    """A prediction as the header shows it, from (C,) logits and probabilities.

    The largest logit is predicted, if not something else.
    """
    predicted = int(logits.argmax()) if predicted is None else predicted
    return explanation_service_pb2.Prediction(
        labels=labels,
        probabilities=chances.tolist(),
        logits=logits.tolist(),
        predicted_index=predicted,
        predicted_label=labels[predicted],
    )


def _shortened(name: str) -> str:
    """Error details above a few KiB never arrive."""
    return name if len(name) <= _LONGEST_NAME else name[:_LONGEST_NAME] + "..."


def _listing(labels: Sequence[str]) -> str:
    shown = [f"{index} {_shortened(label)}" for index, label in enumerate(labels[:_LISTED_CLASSES])]
    more = len(labels) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def chosen_labels(model_labels: Sequence[str], custom: Sequence[str], field: str) -> Sequence[str]:
    """The caller's labels if there are any, else the model's.

    Raises:
        InvalidArgumentError: not one label per class.
    """
    if custom and len(custom) != len(model_labels):
        text = f"has {len(custom)} labels, the model has {len(model_labels)}"
        raise InvalidArgumentError([FieldViolation(field, text)])
    return list(custom) or model_labels
