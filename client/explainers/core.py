"""What all drop-ins share, blocking or asyncio: everything but the calls."""

import re
import warnings
from collections.abc import Mapping, Sequence
from typing import ClassVar

from ligserve.client.errors import FailedPreconditionError
from ligserve.client.explainers.attributions import LIGAttributions
from ligserve.client.explainers.errors import AttributionTypeNotSupportedError
from ligserve.client.explainers.last_answer import LastAnswer
from ligserve.client.explainers.question import CallOptions, Question
from ligserve.client.tasks import Task
from ligserve.client.types.enums import Convention, EmbeddingLayer
from ligserve.client.types.explanation import Explanation
from ligserve.client.types.models import Model

SUPPORTED_ATTRIBUTION_TYPES = ("lig",)
LIBRARY_STEPS = 50
# Reasons of the server's refusals.
LIBRARY_UNSUPPORTED = "LIBRARY_CONVENTION_UNSUPPORTED"
LAYER_UNSUPPORTED = "EMBEDDING_LAYER_UNSUPPORTED"
# What the library says where a layer is missing, by layer; and the server's code for it, by which it warns in
# the LIBRARY convention.
NO_LAYER: Mapping[object, str] = {
    EmbeddingLayer.POSITION: "This model doesn't support position embeddings for attributions. "
    "Defaulting to word embeddings",
    EmbeddingLayer.ALL: "This model doesn't support the embedding type you selected for attributions. "
    "Defaulting to word embeddings",
}
NO_LAYER_CODES = {
    "POSITION_EMBEDDINGS_UNSUPPORTED": EmbeddingLayer.POSITION,
    "EMBEDDINGS_BLOCK_UNSUPPORTED": EmbeddingLayer.ALL,
}


class ExplainerCore(LastAnswer):
    """State and rules of a drop-in; subclasses add `__call__`.

    Attributes:
        model_name: name of the model on the server.
        attribution_type: "lig".
        custom_labels: names that replace the model's labels; empty: none.
        n_steps: steps of the next call; a call that gives n_steps changes it.
        internal_batch_size: recorded as the library does; it never changed numbers, and the server packs
            its batches by itself.

    Raises:
        AttributionTypeNotSupportedError: the attribution type is not "lig".
        ValueError: custom labels are given, but none.
    """

    attribution_types: ClassVar[tuple[str, ...]] = SUPPORTED_ATTRIBUTION_TYPES

    def __init__(
        self, model_name: str, attribution_type: str, custom_labels: Sequence[str] | None = None
    ) -> None:
        if attribution_type not in self.attribution_types:
            raise AttributionTypeNotSupportedError(
                f"Attribution type '{attribution_type}' is not supported. "
                f"Supported types are {list(self.attribution_types)}"
            )
        if custom_labels is not None and not len(custom_labels):
            raise ValueError("`custom_labels` size '0' should match the number of the model's labels")
        super().__init__()
        self.model_name = model_name
        self.attribution_type = attribution_type
        self.custom_labels = tuple(custom_labels or ())
        self.n_steps = LIBRARY_STEPS
        self.internal_batch_size: int | None = None
        self._labels: Sequence[str] | None = None
        self._convention = Convention.LIBRARY

    def encode(self, text: str | None = None) -> list[int]:
        """Not to be had here: the tokenizer is on the server.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError(
            "the tokenizer is on the server; after a call, see input_ids and explanation.tokens"
        )

    def decode(self, input_ids: Sequence[Sequence[int]]) -> list[str]:
        """Not to be had here: the tokenizer is on the server.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError("the tokenizer is on the server; after a call, see explanation.tokens")

    def __str__(self) -> str:
        name = type(self).__name__
        return f"{name}(\n\tmodel='{self.model_name}',\n\tattribution_type='{self.attribution_type}',)"

    def _learn(self, model: Model) -> None:
        """Take the model's labels, or the caller's in their place.

        Raises:
            ValueError: there are not as many custom labels as labels.
        """
        if self.custom_labels and len(self.custom_labels) != len(model.labels):
            raise ValueError(
                f"`custom_labels` size '{len(self.custom_labels)}' should match pretrained model's "
                f"label2id size '{len(model.labels)}'"
            )
        self._labels = self.custom_labels or model.labels

    def _question(self, task: Task, options: CallOptions) -> Question:
        self.n_steps = options.n_steps or self.n_steps
        self.internal_batch_size = options.internal_batch_size or self.internal_batch_size
        return Question(task, options.keywords(self.n_steps), self._convention)

    def _after(self, question: Question, refusal: FailedPreconditionError) -> Question:
        """The question that stands in for a refused one, with a warning.

        Where the library cannot run the model, the same in the other convention; there, where the model has
        no such embeddings, those of words.

        Raises:
            FailedPreconditionError: the refusal, where it was about something else.
        """
        if refusal.reason == LIBRARY_UNSUPPORTED and question.convention is Convention.LIBRARY:
            message = f"{refusal} The answer follows the faithful convention instead."
            warnings.warn(message, stacklevel=4)
            self._convention = Convention.FAITHFUL
            return question.faithful()
        if refusal.reason == LAYER_UNSUPPORTED and question.layer in NO_LAYER:
            warnings.warn(NO_LAYER[question.layer], stacklevel=4)
            return question.of_layer(EmbeddingLayer.WORD)
        raise refusal

    def _keep(self, explanation: Explanation) -> None:
        """Remember an answer, and pass on what the library would warn of."""
        for code in {warning.code for warning in explanation.warnings} & set(NO_LAYER_CODES):
            warnings.warn(NO_LAYER[NO_LAYER_CODES[code]], stacklevel=4)
        self.explanation = explanation

    def _attributions_of(self, target: int, end: int | None = None) -> LIGAttributions:
        explanation, steps, size = self._last(), self.n_steps, self.internal_batch_size
        return LIGAttributions.from_explanation(explanation, steps, size, target, end)


def explained_text(explanation: Explanation) -> str:
    """The first text, with spaces around punctuation where the library puts them."""
    library = explanation.convention is Convention.LIBRARY
    return clean_text(explanation.text) if library else explanation.text


def clean_text(text: str) -> str:
    """The text as transformers-interpret 0.10.0 hands it to the tokenizer."""
    return re.sub(r"\s{2,}", " ", re.sub(r"([.,!?()])", r" \1 ", text))
