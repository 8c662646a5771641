"""Drop-in explainers for sequence classification."""

from collections.abc import Sequence

from ligserve.client.aio import AsyncClient
from ligserve.client.errors import FailedPreconditionError
from ligserve.client.explainers.core import SequenceClassificationCore
from ligserve.client.explainers.errors import InputIdsNotCalculatedError
from ligserve.client.explainers.question import CallArguments
from ligserve.client.sync import Client
from ligserve.client.types.enums import OutputSpace


class SequenceClassificationExplainer(SequenceClassificationCore):
    """Answers as transformers-interpret's class of this name does, from a server.

        explainer = SequenceClassificationExplainer(client, "sentiment")
        explainer("I love you, I like you")  # [("[CLS]", 0.0), ("i", 0.27), ("love", 0.77), ...]

    The convention is LIBRARY with 50 steps. Where the library cannot run the model, the answer is FAITHFUL,
    with a warning. The model's labels are asked for when they are needed.

    Raises:
        AttributionTypeNotSupportedError: the attribution type is not "lig".
        ValueError: there are not as many custom labels as the model has labels.
        LigserveError: custom labels are given, and the server cannot be asked for the model's.
    """

    def __init__(
        self,
        client: Client,
        model_name: str,
        attribution_type: str = "lig",
        custom_labels: Sequence[str] | None = None,
    ) -> None:
        super().__init__(model_name, attribution_type, custom_labels)
        self._client = client
        if self.custom_labels:
            self._learn(client.model(model_name))

    def __call__(
        self,
        text: str,
        index: int | None = None,
        class_name: str | None = None,
        embedding_type: int | None = 0,
        internal_batch_size: int | None = None,
        n_steps: int | None = None,
        *,
        tolerance: float | None = None,
        output_space: OutputSpace | str | None = None,
        timeout: float | None = None,
    ) -> list[tuple[str, float]]:
        """Tokens with normalised scores for a class: by index, else by name, else the predicted one.

        Args:
            text: the text.
            index: position of the class.
            class_name: name of the class; an unknown one warns, and the prediction is explained.
            embedding_type: 0 word embeddings, 1 position embeddings.
            internal_batch_size: recorded, without effect.
            n_steps: steps, from this call on.
            tolerance: relative error to reach, in place of a number of steps.
            output_space: the function of the logits; None: the probability.
            timeout: seconds; None: the client's default.

        Raises:
            LigserveError: any of its tree.
            ValueError: n_steps and tolerance are both given.
        """
        arguments = CallArguments(
            text=text,
            index=index,
            class_name=class_name,
            embedding_type=embedding_type,
            internal_batch_size=internal_batch_size,
            n_steps=n_steps,
            tolerance=tolerance,
            output_space=output_space,
            timeout=timeout,
        )
        if self._needs_labels(arguments):
            self._learn(self._client.model(self.model_name))
        question = self._question(arguments)
        try:
            explanation = self._client.explain(self.model_name, question.task, **question.keywords())
        except FailedPreconditionError as refusal:
            question = self._without_library_convention(question, refusal)
            explanation = self._client.explain(self.model_name, question.task, **question.keywords())
        return self._finish(question, explanation)

    @property
    def id2label(self) -> dict[int, str]:
        """Names of the classes by position."""
        if self._labels is None:
            self._learn(self._client.model(self.model_name))
        return dict(enumerate(self._labels or ()))

    @property
    def label2id(self) -> dict[str, int]:
        """Positions of the classes by name."""
        return {label: index for index, label in self.id2label.items()}


class AsyncSequenceClassificationExplainer(SequenceClassificationCore):
    """`SequenceClassificationExplainer` with an awaitable call.

        explainer = AsyncSequenceClassificationExplainer(client, "sentiment")
        await explainer("I love you, I like you")

    Custom labels are checked at the first call, since a constructor cannot await.

    Raises:
        AttributionTypeNotSupportedError: the attribution type is not "lig".
    """

    def __init__(
        self,
        client: AsyncClient,
        model_name: str,
        attribution_type: str = "lig",
        custom_labels: Sequence[str] | None = None,
    ) -> None:
        super().__init__(model_name, attribution_type, custom_labels)
        self._client = client

    async def __call__(
        self,
        text: str,
        index: int | None = None,
        class_name: str | None = None,
        embedding_type: int | None = 0,
        internal_batch_size: int | None = None,
        n_steps: int | None = None,
        *,
        tolerance: float | None = None,
        output_space: OutputSpace | str | None = None,
        timeout: float | None = None,
    ) -> list[tuple[str, float]]:
        """As `SequenceClassificationExplainer.__call__`.

        Raises:
            LigserveError: any of its tree.
            ValueError: n_steps and tolerance are both given, or custom labels do not fit.
        """
        arguments = CallArguments(
            text=text,
            index=index,
            class_name=class_name,
            embedding_type=embedding_type,
            internal_batch_size=internal_batch_size,
            n_steps=n_steps,
            tolerance=tolerance,
            output_space=output_space,
            timeout=timeout,
        )
        if self._needs_labels(arguments):
            await self.load()
        question = self._question(arguments)
        try:
            explanation = await self._client.explain(self.model_name, question.task, **question.keywords())
        except FailedPreconditionError as refusal:
            question = self._without_library_convention(question, refusal)
            explanation = await self._client.explain(self.model_name, question.task, **question.keywords())
        return self._finish(question, explanation)

    async def load(self) -> None:
        """Ask the server for the model's labels.

        Raises:
            LigserveError: any of its tree.
            ValueError: there are not as many custom labels as the model has labels.
        """
        self._learn(await self._client.model(self.model_name))

    @property
    def id2label(self) -> dict[int, str]:
        """Names of the classes by position.

        Raises:
            InputIdsNotCalculatedError: neither a call nor load() was awaited yet.
        """
        labels = self._labels
        if labels is None and self.explanation is not None:
            labels = self._prediction().labels
        if labels is None:
            raise InputIdsNotCalculatedError("labels are not known yet: await the explainer, or its load()")
        return dict(enumerate(labels))

    @property
    def label2id(self) -> dict[str, int]:
        """Positions of the classes by name.

        Raises:
            InputIdsNotCalculatedError: neither a call nor load() was awaited yet.
        """
        return {label: index for index, label in self.id2label.items()}
