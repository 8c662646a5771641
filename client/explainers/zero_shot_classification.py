"""Drop-in explainers for zero-shot classification."""

from collections.abc import Sequence

from ligserve.client.aio import AsyncClient
from ligserve.client.explainers.awaited import AwaitedExplainer
from ligserve.client.explainers.blocking import BlockingExplainer
from ligserve.client.explainers.construction import checked_client
from ligserve.client.explainers.question import CallOptions
from ligserve.client.explainers.zero_shot_core import DEFAULT_HYPOTHESIS, ZeroShotClassificationCore
from ligserve.client.options import LongInputLike
from ligserve.client.sync import Client
from ligserve.client.types.enums import OutputSpace


class ZeroShotClassificationExplainer(ZeroShotClassificationCore, BlockingExplainer):
    """Answers as transformers-interpret's class of this name does, from a server.

        explainer = ZeroShotClassificationExplainer(client, "nli")
        explainer("The match ended in a draw", ["sport", "politics"])  # {"sport": [...], ...}

    The convention is LIBRARY with 50 steps. Where the library cannot run the model, the answer is FAITHFUL,
    with a warning.

    Raises:
        AttributionTypeNotSupportedError: the attribution type is not "lig".
        TypeError: the client is not one, such as the library's model.
        ValueError: the model has no label 'entailment' or 'ENTAILMENT'.
        LigserveError: the server cannot be asked for the model's labels.
    """

    def __init__(
        self,
        client: Client,
        model_name: str,
        attribution_type: str = "lig",
    ) -> None:
        super().__init__(model_name, attribution_type)
        self._client = checked_client(client, Client, model_name, self)
        self._learn(client.model(model_name))

    def __call__(
        self,
        text: str,
        labels: Sequence[str],
        embedding_type: int | None = 0,
        hypothesis_template: str = DEFAULT_HYPOTHESIS,
        include_hypothesis: bool = False,
        internal_batch_size: int | None = None,
        n_steps: int | None = None,
        *,
        tolerance: float | None = None,
        output_space: OutputSpace | str | None = None,
        timeout: float | None = None,
        long_input: LongInputLike | None = None,
    ) -> dict[str, list[tuple[str, float]]]:
        """For each label, tokens with normalised scores for the entailment of its hypothesis.

        Args:
            text: the text.
            labels: the candidate labels.
            hypothesis_template: the hypothesis with one "{}" for the label.
            include_hypothesis: whether the answer goes on over the hypothesis' tokens.
            embedding_type: 0 word embeddings, 1 position embeddings.
            internal_batch_size: recorded, without effect.
            n_steps: steps, from this call on.
            tolerance: relative error to reach, in place of a number of steps.
            output_space: the function of the logits; None: the probability.
            timeout: seconds; None: the client's default.
            long_input: what to do with a text that is longer than the model takes beside a hypothesis, as
                "window"; None: refuse.

        Raises:
            LigserveError: any of its tree.
            ValueError: n_steps and tolerance are both given.
        """
        options = CallOptions(
            embedding_type, internal_batch_size, n_steps, tolerance, output_space, timeout, long_input
        )
        task = self._task(text, labels, hypothesis_template, include_hypothesis)
        return self._finish(self._explained(self._question(task, options)))


class AsyncZeroShotClassificationExplainer(ZeroShotClassificationCore, AwaitedExplainer):
    """`ZeroShotClassificationExplainer` with an awaitable call.

        explainer = AsyncZeroShotClassificationExplainer(client, "nli")
        await explainer("The match ended in a draw", ["sport", "politics"])  # {"sport": [...], ...}

    The model's labels are checked at the first call, since a constructor cannot await.

    Raises:
        AttributionTypeNotSupportedError: the attribution type is not "lig".
        TypeError: the client is not one, such as the library's model.
    """

    def __init__(
        self,
        client: AsyncClient,
        model_name: str,
        attribution_type: str = "lig",
    ) -> None:
        super().__init__(model_name, attribution_type)
        self._client = checked_client(client, AsyncClient, model_name, self)

    async def __call__(
        self,
        text: str,
        labels: Sequence[str],
        embedding_type: int | None = 0,
        hypothesis_template: str = DEFAULT_HYPOTHESIS,
        include_hypothesis: bool = False,
        internal_batch_size: int | None = None,
        n_steps: int | None = None,
        *,
        tolerance: float | None = None,
        output_space: OutputSpace | str | None = None,
        timeout: float | None = None,
        long_input: LongInputLike | None = None,
    ) -> dict[str, list[tuple[str, float]]]:
        """As `ZeroShotClassificationExplainer.__call__`.

        Raises:
            LigserveError: any of its tree.
            ValueError: n_steps and tolerance are both given, or the model has no label 'entailment'.
        """
        options = CallOptions(
            embedding_type, internal_batch_size, n_steps, tolerance, output_space, timeout, long_input
        )
        if self._labels is None:
            await self.load()
        task = self._task(text, labels, hypothesis_template, include_hypothesis)
        return self._finish(await self._explained(self._question(task, options)))
