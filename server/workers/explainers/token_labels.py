"""Which tokens' labels a request means."""

from collections.abc import Callable, Sequence

from torch import Tensor

from ligserve.server.errors import FieldViolation, InvalidArgumentError
from ligserve.server.workers.engine.outputs import ClassOutput, TokenOutput, probabilities
from ligserve.server.workers.explainers.classes import class_index
from ligserve.server.workers.explainers.plan import Explained
from ligserve.v1 import explanation_pb2, explanation_service_pb2

NOTHING_TO_EXPLAIN = "NOTHING_TO_EXPLAIN"


class TokenTargets:
    """The targets of a token classification request: each token's predicted label, at its position.

    In FAITHFUL special tokens are never targets; in LIBRARY they are, as the library has it.

    Args:
        labels: one per logit.
        tokens: the T tokens of the text.
        question: what is left out.
        space: the output space of all targets.
        field: the request's field that holds the question, for error messages.
        library: whether the library's habits are followed.
        path_end: gives the (T, C) logits of the path's end, which the library takes its labels from; None
            where they are the prediction's.

    Raises:
        InvalidArgumentError: an ignored token that the text does not have; in FAITHFUL, an ignored label
            that the model does not have.
    """

    def __init__(
        self,
        labels: Sequence[str],
        tokens: explanation_service_pb2.Tokens,
        question: explanation_pb2.TokenClassification,
        space: "explanation_pb2.OutputSpace.ValueType",
        field: str,
        *,
        library: bool,
        path_end: Callable[[], Tensor] | None = None,
    ) -> None:
        _check_indexes(question.ignored_indexes, len(tokens.ids), f"{field}.ignored_indexes")
        if not library:
            _check_labels(question.ignored_labels, labels, f"{field}.ignored_labels")
        self._labels = labels
        self._texts = tokens.texts
        self._space = space
        self._path_end = path_end
        ignored = set(question.ignored_indexes)
        self._positions = [
            position
            for position, special in enumerate(tokens.special)
            if position not in ignored and (library or not special)
        ]
        self._ignored_labels = frozenset(question.ignored_labels)

    def explained(self, logits: Tensor) -> list[Explained]:
        """What is explained, now that the model's output for the input, (T, C), is known."""
        return [self._of_token(position, index) for position, index in self._chosen(logits)]

    def outcome(self, logits: Sequence[Tensor]) -> explanation_service_pb2.Header:
        """The output for each token, from the (T, C) logits of the only path."""
        (of_tokens,) = logits
        header = explanation_service_pb2.Header(labels=self._labels)
        window = header.windows.add(token_predictions=token_predictions(of_tokens))
        if self._path_end is not None and self._chosen(of_tokens):
            window.path_predictions.CopyFrom(token_predictions(self._path_end()))
        if not self._chosen(of_tokens):
            message = f"each of the {len(of_tokens)} tokens is special, or it or its label is ignored"
            header.warnings.add(code=NOTHING_TO_EXPLAIN, message=message)
        return header

    def _chosen(self, logits: Tensor) -> list[tuple[int, int]]:
        """Position and predicted class of each token that is explained."""
        predicted = logits.argmax(dim=1).tolist()
        return [
            (position, predicted[position])
            for position in self._positions
            if self._labels[predicted[position]] not in self._ignored_labels
        ]

    def _of_token(self, position: int, index: int) -> Explained:
        label = self._labels[index]
        target = explanation_service_pb2.Target(
            class_index=index, class_label=label, output_space=self._space, token=position
        )
        output = TokenOutput(position, ClassOutput(index, None, self._space))
        return Explained(output, target, f"{label} of token {position} '{self._texts[position]}'")


def token_predictions(logits: Tensor, first_token: int = 0) -> explanation_service_pb2.TokenPredictions:
    """The (T, C) logits of consecutive tokens as the header shows them."""
    return explanation_service_pb2.TokenPredictions(
        first_token=first_token,
        predicted=logits.argmax(dim=1).tolist(),
        probabilities=probabilities(logits).flatten().tolist(),
        logits=logits.flatten().tolist(),
    )


def _check_indexes(ignored: Sequence[int], length: int, field: str) -> None:
    there_are = f"the text has {length} tokens (special tokens included), 0 to {length - 1}"
    wrong = [
        FieldViolation(f"{field}[{number}]", f"there is no token {index}; {there_are}")
        for number, index in enumerate(ignored)
        if index >= length
    ]
    if wrong:
        raise InvalidArgumentError(wrong, reason="UNKNOWN_TOKEN")


def _check_labels(ignored: Sequence[str], labels: Sequence[str], field: str) -> None:
    for number, label in enumerate(ignored):
        class_index(labels, explanation_pb2.ClassReference(name=label), f"{field}[{number}]")
