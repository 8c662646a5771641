"""Models of a real size for every kind of question: the sentiment model's encoder under random heads."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
)

from benchmarks.texts import CONTEXTS, LONG, MIDDLE, SHORT, TOPICS
from benchmarks.workloads.questions import Kind

ENTITY_LABELS = ("O", *(f"{part}-KIND{kind}" for kind in range(14) for part in "BI"))[:28]
TOPIC_LABELS = tuple(f"TOPIC{number}" for number in range(28))
ENTAILMENT_LABELS = ("contradiction", "neutral", "entailment")
# Zero-shot classification asks with it unless told otherwise, here and in the library.
HYPOTHESIS = "this text is about {} ."

LogitsOf = Callable[[nn.Module, Mapping[str, Tensor]], Tensor]


@dataclass(frozen=True, slots=True)
class Head:
    """A random head.

    Attributes:
        auto: transformers' class.
        attribute: the head's name in the network; its last layer is random.
        labels: names of its outputs; none: as it comes.
        spread: standard deviation of each logit over what the head is asked: no output is certain, and none
            is as likely as all others.
        logits: (N, C) of a row.
        asked: pairs of texts, or single ones, that the spread is taken over.
    """

    auto: Any
    attribute: str
    labels: tuple[str, ...]
    spread: float
    logits: LogitsOf
    asked: Sequence[tuple[str, ...]]


def _every_token(network: nn.Module, row: Mapping[str, Tensor]) -> Tensor:
    logits: Tensor = network(**row).logits[0]
    return logits


def whole_row(network: nn.Module, row: Mapping[str, Tensor]) -> Tensor:
    """The logits of a classifier of texts, (1, C)."""
    logits: Tensor = network(**row).logits
    return logits


def _ends(network: nn.Module, row: Mapping[str, Tensor]) -> Tensor:
    output = network(**row)
    return torch.stack([output.start_logits[0], output.end_logits[0]], dim=1)


_PAIRS = [(text, HYPOTHESIS.format(topic)) for text in (*SHORT[:4], *MIDDLE) for topic in TOPICS]
HEADS = {
    Kind.TOKENS: Head(
        AutoModelForTokenClassification,
        "classifier",
        ENTITY_LABELS,
        2.0,
        _every_token,
        [(text,) for text in MIDDLE],
    ),
    Kind.LABELS: Head(
        AutoModelForSequenceClassification,
        "classifier",
        TOPIC_LABELS,
        2.0,
        whole_row,
        [(text,) for text in (*SHORT, *MIDDLE, *LONG)],
    ),
    Kind.HYPOTHESES: Head(
        AutoModelForSequenceClassification, "classifier", ENTAILMENT_LABELS, 1.5, whole_row, _PAIRS
    ),
    Kind.SPAN: Head(AutoModelForQuestionAnswering, "qa_outputs", (), 2.0, _ends, CONTEXTS),
}


@torch.no_grad()
def write_model(kind: Kind, encoder: Path, root: Path) -> Path:
    """Write the model for a kind of question, with its tokenizer; returns its directory.

    Args:
        kind: what is asked; for TEXT the encoder is the model already.
        encoder: directory of the sentiment model.
        root: where models are written, each in a directory of its kind's name.
    """
    if kind is Kind.TEXT:
        return encoder
    directory: Path = root / kind.value
    if directory.exists():
        return directory
    head = HEADS[kind]
    torch.manual_seed(7)
    network = head.auto.from_pretrained(encoder, ignore_mismatched_sizes=True, **_names(head.labels)).eval()
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    make_random(network, head, tokenizer)
    network.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


def _names(labels: Sequence[str]) -> dict[str, object]:
    names = dict(enumerate(labels))
    label2id = {name: index for index, name in names.items()}
    return {"id2label": names, "label2id": label2id} if labels else {}


def make_random(network: nn.Module, head: Head, tokenizer: Any) -> None:
    """Make the head random, then scale and centre it. Without gradients only."""
    layer: nn.Linear = getattr(network, head.attribute)
    layer.weight.normal_()
    layer.bias.zero_()
    rows = (tokenizer(*texts, return_tensors="pt") for texts in head.asked)
    logits = torch.cat([head.logits(network, row) for row in rows])
    scale = head.spread / logits.std(dim=0)
    layer.weight.mul_(scale[:, None])
    layer.bias.copy_(-scale * logits.mean(dim=0))
