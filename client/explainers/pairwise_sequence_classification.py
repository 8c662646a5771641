"""Drop-in explainers for pairs of texts."""

from collections.abc import Sequence

from ligserve.client.aio import AsyncClient
from ligserve.client.explainers.awaited import AwaitedExplainer
from ligserve.client.explainers.blocking import BlockingExplainer
from ligserve.client.explainers.class_core import ClassChoice
from ligserve.client.explainers.construction import checked_client
from ligserve.client.explainers.pairwise_core import PairwiseSequenceClassificationCore
from ligserve.client.explainers.question import CallOptions
from ligserve.client.options import LongInputLike
from ligserve.client.sync import Client
from ligserve.client.tasks import PairwiseSequenceClassification
from ligserve.client.types.enums import OutputSpace


class PairwiseSequenceClassificationExplainer(PairwiseSequenceClassificationCore, BlockingExplainer):
    """Answers as transformers-interpret's class of this name does, from a server.

        explainer = PairwiseSequenceClassificationExplainer(client, "cross-encoder")
        explainer("How many people live here?", "The town has 3,000 inhabitants.")

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
        text1: str,
        text2: str,
        index: int | None = None,
        class_name: str | None = None,
        embedding_type: int | None = 0,
        internal_batch_size: int | None = None,
        n_steps: int | None = None,
        flip_sign: bool = False,
        *,
        tolerance: float | None = None,
        output_space: OutputSpace | str | None = None,
        timeout: float | None = None,
        long_input: LongInputLike | None = None,
    ) -> list[tuple[str, float]]:
        """Tokens of both texts with normalised scores for a class, chosen as for one text.

        Args:
            text1: the first text.
            text2: the second text.
            index: position of the class.
            class_name: name of the class; an unknown one warns, and the prediction is explained.
            flip_sign: for a model with a single logit, multiply the scores by -1.
            embedding_type: 0 word embeddings, 1 position embeddings.
            internal_batch_size: recorded, without effect.
            n_steps: steps, from this call on.
            tolerance: relative error to reach, in place of a number of steps.
            output_space: the function of the logits; None: the probability.
            timeout: seconds; None: the client's default.
            long_input: what to do with texts that are longer than the model takes, as "window"; None: refuse.

        Raises:
            LigserveError: any of its tree.
            ValueError: n_steps and tolerance are both given.
        """
        options = CallOptions(
            embedding_type, internal_batch_size, n_steps, tolerance, output_space, timeout, long_input
        )
        choice = ClassChoice(index, class_name)
        if self._needs_labels(choice):
            self._learn(self._client.model(self.model_name))
        self._flipped = flip_sign
        task = PairwiseSequenceClassification(
            text1, text2, self._targets(choice), self.custom_labels, flip_sign
        )
        return self._finish(self._explained(self._question(task, options)))


class AsyncPairwiseSequenceClassificationExplainer(PairwiseSequenceClassificationCore, AwaitedExplainer):
    """`PairwiseSequenceClassificationExplainer` with an awaitable call.

        explainer = AsyncPairwiseSequenceClassificationExplainer(client, "cross-encoder")
        await explainer("How many people live here?", "The town has 3,000 inhabitants.")

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
        text1: str,
        text2: str,
        index: int | None = None,
        class_name: str | None = None,
        embedding_type: int | None = 0,
        internal_batch_size: int | None = None,
        n_steps: int | None = None,
        flip_sign: bool = False,
        *,
        tolerance: float | None = None,
        output_space: OutputSpace | str | None = None,
        timeout: float | None = None,
        long_input: LongInputLike | None = None,
    ) -> list[tuple[str, float]]:
        """As `PairwiseSequenceClassificationExplainer.__call__`.

        Raises:
            LigserveError: any of its tree.
            ValueError: n_steps and tolerance are both given, or custom labels do not fit.
        """
        options = CallOptions(
            embedding_type, internal_batch_size, n_steps, tolerance, output_space, timeout, long_input
        )
        choice = ClassChoice(index, class_name)
        if self._needs_labels(choice):
            await self.load()
        self._flipped = flip_sign
        task = PairwiseSequenceClassification(
            text1, text2, self._targets(choice), self.custom_labels, flip_sign
        )
        return self._finish(await self._explained(self._question(task, options)))
