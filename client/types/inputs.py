"""What is known of an input before any gradient: its tokens, and what the model makes of it."""

from collections.abc import Iterator
from dataclasses import dataclass

from ligserve.v1 import explanation_service_pb2 as service_pb


@dataclass(frozen=True, slots=True)
class Token:
    """One token of an input.

    Attributes:
        index: position in its window.
        text: the token as the tokenizer spells it.
        id: vocabulary id.
        start: start in the caller's text, in code points; 0 for special tokens.
        end: end (exclusive) in the caller's text, in code points; 0 for special tokens.
        word: position of its word; None for special tokens.
        special: whether the tokenizer added it, as "[CLS]".
        segment: which of the task's texts it is from.
        window: position of its window; 0 unless the input was long, and then the first that it is in.
    """

    index: int
    text: str
    id: int
    start: int
    end: int
    word: int | None
    special: bool
    segment: int
    window: int = 0


def tokens_from_proto(window: service_pb.Window) -> Iterator[Token]:
    """The tokens of one window.

    Raises:
        ValueError: the columns differ in length.
    """
    t = window.tokens
    columns = zip(t.texts, t.ids, t.starts, t.ends, t.words, t.special, t.segments, strict=True)
    for index, (text, token_id, start, end, word, special, segment) in enumerate(columns):
        place = word if word >= 0 else None
        yield Token(index, text, token_id, start, end, place, special, segment, window.index)


@dataclass(frozen=True, slots=True)
class Prediction:
    """A classifier's output.

    Attributes:
        labels: the labels, in the model's order.
        probabilities: of each label, 0 to 1; one value for a model with a single logit.
        logits: of each label.
        index: position of the predicted label.
        label: the predicted label.
    """

    labels: tuple[str, ...]
    probabilities: tuple[float, ...]
    logits: tuple[float, ...]
    index: int
    label: str

    @classmethod
    def from_proto(cls, message: service_pb.Prediction) -> "Prediction":
        """Read a message."""
        return cls(
            labels=tuple(message.labels),
            probabilities=tuple(message.probabilities),
            logits=tuple(message.logits),
            index=message.predicted_index,
            label=message.predicted_label,
        )

    @property
    def probability(self) -> float | None:
        """Probability of the predicted label, where the model gives one for each label."""
        known = self.index < len(self.probabilities)
        return self.probabilities[self.index] if known else None

    @property
    def single_logit(self) -> bool:
        """Whether the model has one logit in place of one per label."""
        return len(self.logits) == 1


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer that a question answering model picks; positions as in `Token`.

    Attributes:
        text: the answer, a slice of the context; empty where a LIBRARY answer is no span of it.
        start: where it starts in the context.
        end: where it ends in the context (exclusive).
        first_token: position of its first token.
        last_token: position of its last token.
        probability: of this span, 0 to 1.
        no_answer_probability: that the context holds no answer, 0 to 1; None where the model does not say.
        window: the window of a long context that it is in; its probability is among that window's tokens.
    """

    text: str
    start: int
    end: int
    first_token: int
    last_token: int
    probability: float
    no_answer_probability: float | None = None
    window: int = 0

    @classmethod
    def from_proto(cls, message: service_pb.Answer) -> "Answer":
        """Read a message; tokens are counted in the answer's window."""
        known = message.HasField("no_answer_probability")
        return cls(
            text=message.text,
            start=message.start,
            end=message.end,
            first_token=message.first_token,
            last_token=message.last_token,
            probability=message.probability,
            no_answer_probability=message.no_answer_probability if known else None,
            window=message.window,
        )


@dataclass(frozen=True, slots=True)
class ImageShape:
    """The shape of an image as the model sees it; scores run through it in row-major order.

    Attributes:
        channels: colour channels.
        height: rows of pixels.
        width: columns of pixels.
        patch_size: side of the square patches that the model looks at first; None: none known.
    """

    channels: int
    height: int
    width: int
    patch_size: int | None = None

    @classmethod
    def from_proto(cls, message: service_pb.ImageShape) -> "ImageShape":
        """Read a message."""
        patch_size = message.patch_size if message.HasField("patch_size") else None
        return cls(message.channels, message.height, message.width, patch_size)


@dataclass(frozen=True, slots=True)
class ServerWarning:
    """Something the caller ought to know: a stable name, and the sentence for a person."""

    code: str
    message: str

    @classmethod
    def from_proto(cls, message: service_pb.Warning) -> "ServerWarning":
        """Read a message."""
        return cls(message.code, message.message)
