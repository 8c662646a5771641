"""Which explainer the options of `ligserve explain` ask for."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from ligserve.client.classes import ClassTarget
from ligserve.client.image_task import ImageClassification
from ligserve.client.tasks import (
    MultiLabelClassification,
    PairwiseSequenceClassification,
    QuestionAnswering,
    SequenceClassification,
    Task,
    TokenClassification,
    ZeroShotClassification,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The options that choose an explainer and fill it, as the caller gave them."""

    image: Path | None = None
    pair: str | None = None
    labels: Sequence[str] = ()
    hypothesis: str | None = None
    multi_label: bool = False
    question: str | None = None
    tokens: bool = False
    ignored_labels: Sequence[str] = ()
    classes: Sequence[str] = ()

    def check(self) -> None:
        """Refuse options that do not go together.

        Raises:
            typer.BadParameter: there are some.
        """
        choices = {
            "--image": self.image is not None,
            "--pair": self.pair is not None,
            "--label": bool(self.labels),
            "--question": self.question is not None,
            "--tokens": self.tokens,
            "--multi-label": self.multi_label and not self.labels,
        }
        chosen = [name for name, given in choices.items() if given]
        if len(chosen) > 1:
            raise typer.BadParameter(f"{' and '.join(chosen)} ask for different explainers; give one")
        if self.classes and chosen in (["--label"], ["--question"], ["--tokens"]):
            raise typer.BadParameter(f"--class does not go with {chosen[0]}")
        if self.hypothesis is not None and not self.labels:
            raise typer.BadParameter("--hypothesis needs --label")
        if self.ignored_labels and not self.tokens:
            raise typer.BadParameter("--ignore-label needs --tokens")

    def task(self, text: str) -> Task:
        """What is asked about the text, or the image in its place.

        Raises:
            OSError: the image's file cannot be read.
        """
        classes = [_class(name) for name in self.classes]
        targets = [ClassTarget(name) for name in classes]
        if self.image is not None:
            return ImageClassification(self.image.read_bytes(), targets)
        if self.pair is not None:
            return PairwiseSequenceClassification(text, self.pair, targets)
        if self.labels:
            return ZeroShotClassification(text, self.labels, self.hypothesis, multi_label=self.multi_label)
        if self.question is not None:
            return QuestionAnswering(self.question, text)
        if self.tokens:
            return TokenClassification(text, ignored_labels=self.ignored_labels)
        if self.multi_label:
            return MultiLabelClassification(text, classes)
        return SequenceClassification(text, targets)


def _class(name: str) -> int | str:
    return int(name) if name.isascii() and name.isdigit() else name
