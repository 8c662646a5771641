"""Which tokens' labels a request means."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from ligserve.server.errors import FieldViolation, InvalidArgumentError
from ligserve.server.workers.engine.outputs import ClassOutput, TokenOutput, probabilities
from ligserve.server.workers.explainers.plans.explained import Explained
from ligserve.server.workers.explainers.targets.classes import class_index
from ligserve.v1 import explanation_pb2
from ligserve.v1 import explanation_service_pb2 as service_pb


@dataclass(frozen=True)
class Stretch:
    """Consecutive tokens of a row: those of a text that the row answers for.

    Attributes:
        tokens: the row's tokens, special ones included.
        own: where the stretch is in the row.
        first_token: place of the row's first token among all of the text's.
        window: number of the row among the windows of a long text; None where it is the only one.
    """

    tokens: service_pb.Tokens
    own: range
    first_token: int = 0
    window: int | None = None

    @classmethod
    def of_row(cls, tokens: service_pb.Tokens) -> "Stretch":
        """All tokens of a row that is the whole text."""
        return cls(tokens, range(len(tokens.ids)))


class TokenQuestion:
    """What is asked about the tokens of a text: each one's predicted label, but for those that are left out.

    In FAITHFUL special tokens are never explained; in LIBRARY they are, as the library has it.

    Args:
        labels: one per logit.
        question: what is left out.
        space: the output space of all targets.
        field: the request's field that holds the question, for error messages.
        library: whether the library's habits are followed.

    Raises:
        InvalidArgumentError: in FAITHFUL, an ignored label that the model does not have.
    """

    def __init__(
        self,
        labels: Sequence[str],
        question: explanation_pb2.TokenClassification,
        space: "explanation_pb2.OutputSpace.ValueType",
        field: str,
        *,
        library: bool,
    ) -> None:
        if not library:
            _check_labels(question.ignored_labels, labels, f"{field}.ignored_labels")
        self.labels = labels
        self._space = space
        self._field = f"{field}.ignored_indexes"
        self._ignored = question.ignored_indexes
        self._left_out = frozenset(question.ignored_indexes)
        self._ignored_labels = frozenset(question.ignored_labels)
        self._library = library

    def check(self, length: int) -> None:
        """Compare the ignored tokens with the text's number of tokens, special ones included.

        Raises:
            InvalidArgumentError: an ignored token that the text does not have.
        """
        there_are = f"the text has {length} tokens (special tokens included), 0 to {length - 1}"
        wrong = [
            FieldViolation(f"{self._field}[{number}]", f"there is no token {index}; {there_are}")
            for number, index in enumerate(self._ignored)
            if index >= length
        ]
        if wrong:
            raise InvalidArgumentError(wrong, reason="UNKNOWN_TOKEN")

    def explained(self, stretch: Stretch, logits: Tensor) -> list[Explained]:
        """What is explained of a stretch, now that the model's output for it, (own, C), is known."""
        predicted = logits.argmax(dim=1).tolist()
        return [
            self._of_token(stretch, position, index)
            for position, index in zip(stretch.own, predicted, strict=True)
            if self._explains(stretch, position) and self.labels[index] not in self._ignored_labels
        ]

    def most(self, stretches: Sequence[range], special: Iterable[int]) -> list[int]:
        """How many tokens of each stretch are explained if no predicted label is ignored.

        Args:
            stretches: positions in the text, special tokens counted.
            special: positions of the special tokens.
        """
        left_out = np.array(sorted(self._left_out.union(() if self._library else special)), dtype=np.int64)
        return [
            len(each) - int(np.searchsorted(left_out, each.stop) - np.searchsorted(left_out, each.start))
            for each in stretches
        ]

    @property
    def may_be_fewer(self) -> bool:
        """Whether labels are ignored."""
        return bool(self._ignored_labels)

    def nothing(self, length: int) -> service_pb.Warning:
        """The warning where nothing is left to explain, of a text of so many tokens."""
        message = f"each of the {length} tokens is special, or it or its label is ignored"
        return service_pb.Warning(code="NOTHING_TO_EXPLAIN", message=message)

    def _explains(self, stretch: Stretch, position: int) -> bool:
        special = stretch.tokens.special[position]
        return stretch.first_token + position not in self._left_out and (self._library or not special)

    def _of_token(self, stretch: Stretch, position: int, index: int) -> Explained:
        label, place = self.labels[index], stretch.first_token + position
        target = service_pb.Target(
            class_index=index,
            class_label=label,
            output_space=self._space,
            token=place,
            window=stretch.window,
        )
        output = TokenOutput(position, ClassOutput(index, None, self._space))
        return Explained(output, target, f"{label} of token {place} '{stretch.tokens.texts[position]}'")


class TokenTargets:
    """The targets of a request about a text of one row.

    Args:
        asked: what is asked.
        tokens: the T tokens of the row.
        path_end: gives the (T, C) logits of the path's end, which the library takes its labels from; None
            where they are the prediction's.
    """

    def __init__(
        self,
        asked: TokenQuestion,
        tokens: service_pb.Tokens,
        path_end: Callable[[], Tensor] | None = None,
    ) -> None:
        self._asked = asked
        self._row = Stretch.of_row(tokens)
        self._path_end = path_end

    @property
    def most(self) -> int:
        """How many targets there are if no predicted label is ignored."""
        special = [position for position, is_special in enumerate(self._row.tokens.special) if is_special]
        (most,) = self._asked.most([self._row.own], special)
        return most

    def explained(self, logits: Tensor) -> list[Explained]:
        """What is explained, now that the model's output for the input, (T, C), is known."""
        return self._asked.explained(self._row, logits)

    def outcome(self, logits: Sequence[Tensor]) -> service_pb.Header:
        """The output for each token, from the (T, C) logits of the only path."""
        (of_tokens,) = logits
        header = service_pb.Header(labels=self._asked.labels)
        window = header.windows.add(token_predictions=token_predictions(of_tokens))
        if not self.explained(of_tokens):
            header.warnings.append(self._asked.nothing(len(of_tokens)))
        elif self._path_end is not None:
            window.path_predictions.CopyFrom(token_predictions(self._path_end()))
        return header


def token_predictions(logits: Tensor, first_token: int = 0) -> service_pb.TokenPredictions:
    """The (T, C) logits of consecutive tokens as the header shows them."""
    return service_pb.TokenPredictions(
        first_token=first_token,
        predicted=logits.argmax(dim=1).tolist(),
        probabilities=probabilities(logits).flatten().tolist(),
        logits=logits.flatten().tolist(),
    )


def _check_labels(ignored: Sequence[str], labels: Sequence[str], field: str) -> None:
    for number, label in enumerate(ignored):
        class_index(labels, explanation_pb2.ClassReference(name=label), f"{field}[{number}]")
