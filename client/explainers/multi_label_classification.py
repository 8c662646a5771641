"""Drop-in explainers for multi-label classification."""

from collections.abc import Sequence

from ligserve.client.aio import AsyncClient
from ligserve.client.explainers.awaited import AwaitedExplainer
from ligserve.client.explainers.blocking import BlockingExplainer
from ligserve.client.explainers.construction import checked_client
from ligserve.client.explainers.multi_label_core import MultiLabelClassificationCore
from ligserve.client.explainers.question import CallOptions
from ligserve.client.options import LongInputLike
from ligserve.client.sync import Client
from ligserve.client.tasks import MultiLabelClassification
from ligserve.client.types.enums import OutputSpace


class MultiLabelClassificationExplainer(MultiLabelClassificationCore, BlockingExplainer):
    """Answers as transformers-interpret's class of this name does, from a server.

        explainer = MultiLabelClassificationExplainer(client, "topics")
        explainer("A great movie")  # {"film": [("[CLS]", 0.0), ...], "food": [...]}

    The convention is LIBRARY with 50 steps. Where the library cannot run the model, the answer is FAITHFUL,
    with a warning. The model's labels are asked for when they are needed.

    Raises:
        AttributionTypeNotSupportedError: the attribution type is not "lig".
        TypeError: the client is not one, such as the library's model.
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
        self._client = checked_client(client, Client, model_name, self)
        if self.custom_labels:
            self._learn(client.model(model_name))

    def __call__(
        self,
        text: str,
        embedding_type: int | None = 0,
        internal_batch_size: int | None = None,
        n_steps: int | None = None,
        *,
        tolerance: float | None = None,
        output_space: OutputSpace | str | None = None,
        timeout: float | None = None,
        long_input: LongInputLike | None = None,
    ) -> dict[str, list[tuple[str, float]]]:
        """For each label of the model, tokens with normalised scores for the label's own output.

        Args:
            text: the text.
            embedding_type: without effect, as in the library; `client.explain` takes other layers.
            internal_batch_size: recorded, without effect.
            n_steps: steps, from this call on.
            tolerance: relative error to reach, in place of a number of steps.
            output_space: the function of the logits; None: the probability.
            timeout: seconds; None: the client's default.
            long_input: what to do with a text that is longer than the model takes, as "window"; None: refuse.

        Raises:
            LigserveError: any of its tree.
            ValueError: n_steps and tolerance are both given.
        """
        options = CallOptions(0, internal_batch_size, n_steps, tolerance, output_space, timeout, long_input)
        task = MultiLabelClassification(text, custom_labels=self.custom_labels)
        return self._finish(self._explained(self._question(task, options)))


class AsyncMultiLabelClassificationExplainer(MultiLabelClassificationCore, AwaitedExplainer):
    """`MultiLabelClassificationExplainer` with an awaitable call.

        explainer = AsyncMultiLabelClassificationExplainer(client, "topics")
        await explainer("A great movie")  # {"film": [("[CLS]", 0.0), ...], "food": [...]}

    Custom labels are checked at the first call, since a constructor cannot await.

    Raises:
        AttributionTypeNotSupportedError: the attribution type is not "lig".
        TypeError: the client is not one, such as the library's model.
    """

    def __init__(
        self,
        client: AsyncClient,
        model_name: str,
        attribution_type: str = "lig",
        custom_labels: Sequence[str] | None = None,
    ) -> None:
        super().__init__(model_name, attribution_type, custom_labels)
        self._client = checked_client(client, AsyncClient, model_name, self)

    async def __call__(
        self,
        text: str,
        embedding_type: int | None = 0,
        internal_batch_size: int | None = None,
        n_steps: int | None = None,
        *,
        tolerance: float | None = None,
        output_space: OutputSpace | str | None = None,
        timeout: float | None = None,
        long_input: LongInputLike | None = None,
    ) -> dict[str, list[tuple[str, float]]]:
        """As `MultiLabelClassificationExplainer.__call__`.

        Raises:
            LigserveError: any of its tree.
            ValueError: n_steps and tolerance are both given, or custom labels do not fit.
        """
        options = CallOptions(0, internal_batch_size, n_steps, tolerance, output_space, timeout, long_input)
        if self._labels is None and self.custom_labels:
            await self.load()
        task = MultiLabelClassification(text, custom_labels=self.custom_labels)
        return self._finish(await self._explained(self._question(task, options)))
