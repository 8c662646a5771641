"""What a checkpoint's last layer answers: its head."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, stack
from transformers import (
    AutoModelForImageClassification,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
)


@dataclass(frozen=True)
class Head:
    """A kind of head.

    Attributes:
        name: how messages call a model that has it.
        suffixes: how transformers' classes that have it end.
        auto_model: transformers' class that loads it.
        per_token: whether there are logits for each token, (B, T, C), rather than for each row, (B, C).
        unlabelled: number of logits that are not those of the configuration's labels; 0 where they are.
    """

    name: str
    suffixes: tuple[str, ...]
    auto_model: Any
    per_token: bool = False
    unlabelled: int = 0

    def logits(self, output: Any) -> Tensor:
        """The head's logits from a forward pass' output."""
        if self is SPAN:
            return stack([output.start_logits, output.end_logits], dim=-1)
        return output.logits  # type: ignore[no-any-return]


SEQUENCE = Head("sequence classifier", ("ForSequenceClassification",), AutoModelForSequenceClassification)
TOKEN = Head("token classifier", ("ForTokenClassification",), AutoModelForTokenClassification, per_token=True)
# (B, T, 2): each token's logits of being an answer's first and last.
SPAN = Head(
    "question answerer",
    ("ForQuestionAnswering",),
    AutoModelForQuestionAnswering,
    per_token=True,
    unlabelled=2,
)
# The second is how distilled checkpoints end.
IMAGE = Head(
    "image classifier",
    ("ForImageClassification", "ForImageClassificationWithTeacher"),
    AutoModelForImageClassification,
)
HEADS = (SEQUENCE, TOKEN, SPAN, IMAGE)

# Which head each explainer asks, by the name of its field in ExplainRequest.
HEAD_OF_EXPLAINER: Mapping[str, Head] = {
    "sequence_classification": SEQUENCE,
    "pairwise_sequence_classification": SEQUENCE,
    "multi_label_classification": SEQUENCE,
    "zero_shot_classification": SEQUENCE,
    "token_classification": TOKEN,
    "question_answering": SPAN,
    "image_classification": IMAGE,
}


def head_of(architectures: list[str]) -> Head | None:
    """The head that a configuration's architectures name; None if it is none of ours."""
    # XLNet and its like have a head with a search of its own, and a "Simple" one of the usual kind.
    names = [name.removesuffix("Simple") for name in architectures]
    found = (head for head in HEADS if any(name.endswith(head.suffixes) for name in names))
    return next(found, None)
