"""The questions that can be asked: one frozen dataclass per explainer of the server."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from ligserve.client.classes import (
    Labels,
    Targets,
    add_references,
    add_targets,
    as_labels,
    as_targets,
)
from ligserve.client.fields import FieldScope
from ligserve.client.image_task import ImageClassification
from ligserve.v1 import explanation_service_pb2 as service_pb


def _freeze(task: object, **values: object) -> None:
    for name, value in values.items():
        object.__setattr__(task, name, value)


@dataclass(frozen=True, slots=True)
class SequenceClassification:
    """Explains a classifier's output for one text.

    Attributes:
        text: the text.
        targets: classes to explain, by index, by name, or as `ClassTarget`; none: the predicted class.
        custom_labels: names that replace the model's labels, one per label.
    """

    text: str
    targets: Targets = ()
    custom_labels: Iterable[str] = ()

    def __post_init__(self) -> None:
        _freeze(self, targets=as_targets(self.targets), custom_labels=tuple(self.custom_labels))

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts that offsets point into."""
        return (self.text,)

    def fill(self, request: service_pb.ExplainRequest, scope: FieldScope) -> None:
        """Write this question into a request."""
        task, here = request.sequence_classification, scope.at("sequence_classification")
        task.text = here.text("text", self.text)
        add_targets(task.targets, self.targets, here)
        task.custom_labels.extend(here.texts("custom_labels", self.custom_labels))


@dataclass(frozen=True, slots=True)
class PairwiseSequenceClassification:
    """Explains a cross-encoder's output for a pair of texts.

    Attributes:
        text1: first text.
        text2: second text.
        targets: as in `SequenceClassification`.
        custom_labels: names that replace the model's labels, one per label.
        flip_sign: multiply scores by -1 for a model with a single logit.
    """

    text1: str
    text2: str
    targets: Targets = ()
    custom_labels: Iterable[str] = ()
    flip_sign: bool = False

    def __post_init__(self) -> None:
        _freeze(self, targets=as_targets(self.targets), custom_labels=tuple(self.custom_labels))

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts that offsets point into."""
        return (self.text1, self.text2)

    def fill(self, request: service_pb.ExplainRequest, scope: FieldScope) -> None:
        """Write this question into a request."""
        task = request.pairwise_sequence_classification
        here = scope.at("pairwise_sequence_classification")
        task.text1 = here.text("text1", self.text1)
        task.text2 = here.text("text2", self.text2)
        add_targets(task.targets, self.targets, here)
        task.custom_labels.extend(here.texts("custom_labels", self.custom_labels))
        task.flip_sign = self.flip_sign


@dataclass(frozen=True, slots=True)
class MultiLabelClassification:
    """Explains the labels of a multi-label classifier.

    Attributes:
        text: the text.
        labels: labels to explain, by index or name; none: every label of the model.
        custom_labels: names that replace the model's labels, one per label.
    """

    text: str
    labels: Labels = ()
    custom_labels: Iterable[str] = ()

    def __post_init__(self) -> None:
        _freeze(self, labels=as_labels(self.labels), custom_labels=tuple(self.custom_labels))

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts that offsets point into."""
        return (self.text,)

    def fill(self, request: service_pb.ExplainRequest, scope: FieldScope) -> None:
        """Write this question into a request."""
        task, here = request.multi_label_classification, scope.at("multi_label_classification")
        task.text = here.text("text", self.text)
        add_references(task.labels, self.labels, here)
        task.custom_labels.extend(here.texts("custom_labels", self.custom_labels))


@dataclass(frozen=True, slots=True)
class ZeroShotClassification:
    """Explains candidate labels that an entailment (NLI) model scores for a text.

    Attributes:
        text: the text (the premise).
        labels: the candidate labels.
        hypothesis_template: the hypothesis with one "{}" for the label; None: the server's default.
        include_hypothesis: return scores of the hypothesis' tokens too.
        multi_label: judge each label by itself, rather than by a softmax over all labels.
    """

    text: str
    labels: str | Iterable[str]
    hypothesis_template: str | None = None
    include_hypothesis: bool = False
    multi_label: bool = False

    def __post_init__(self) -> None:
        _freeze(self, labels=(self.labels,) if isinstance(self.labels, str) else tuple(self.labels))

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts that offsets point into."""
        return (self.text,)

    def fill(self, request: service_pb.ExplainRequest, scope: FieldScope) -> None:
        """Write this question into a request."""
        task, here = request.zero_shot_classification, scope.at("zero_shot_classification")
        task.text = here.text("text", self.text)
        task.labels.extend(here.texts("labels", self.labels))
        if self.hypothesis_template is not None:
            task.hypothesis_template = here.text("hypothesis_template", self.hypothesis_template)
        task.include_hypothesis = self.include_hypothesis
        task.multi_label = self.multi_label


@dataclass(frozen=True, slots=True)
class QuestionAnswering:
    """Explains the answer that an extractive question answering model picks from a context.

    Attributes:
        question: the question.
        context: the text that holds the answer.
        max_answer_tokens: longest answer considered, in tokens; None: the server's default.
    """

    question: str
    context: str
    max_answer_tokens: int | None = None

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts that offsets point into."""
        return (self.question, self.context)

    def fill(self, request: service_pb.ExplainRequest, scope: FieldScope) -> None:
        """Write this question into a request."""
        task, here = request.question_answering, scope.at("question_answering")
        task.question = here.text("question", self.question)
        task.context = here.text("context", self.context)
        if self.max_answer_tokens is not None:
            task.max_answer_tokens = here.unsigned("max_answer_tokens", self.max_answer_tokens)


@dataclass(frozen=True, slots=True)
class TokenClassification:
    """Explains the label that a token classifier gives to each token.

    Attributes:
        text: the text.
        ignored_indexes: positions of tokens that are not explained, special tokens counted; as in the
            explanation's tokens, which of a long text too has special ones once at its start and end.
        ignored_labels: labels whose tokens are not explained, such as "O"; one may be given bare.
    """

    text: str
    ignored_indexes: Iterable[int] = ()
    ignored_labels: str | Iterable[str] = ()

    def __post_init__(self) -> None:
        labels = (
            (self.ignored_labels,) if isinstance(self.ignored_labels, str) else tuple(self.ignored_labels)
        )
        _freeze(self, ignored_indexes=tuple(self.ignored_indexes), ignored_labels=labels)

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts that offsets point into."""
        return (self.text,)

    def fill(self, request: service_pb.ExplainRequest, scope: FieldScope) -> None:
        """Write this question into a request."""
        task, here = request.token_classification, scope.at("token_classification")
        task.text = here.text("text", self.text)
        indexes = enumerate(self.ignored_indexes)
        task.ignored_indexes.extend(here.unsigned(f"ignored_indexes[{i}]", index) for i, index in indexes)
        task.ignored_labels.extend(here.texts("ignored_labels", self.ignored_labels))


Task: TypeAlias = (
    SequenceClassification
    | PairwiseSequenceClassification
    | MultiLabelClassification
    | ZeroShotClassification
    | QuestionAnswering
    | TokenClassification
    | ImageClassification
)
