"""Drop-in explainers for token classification."""

from collections.abc import Iterable

from ligserve.client.aio import AsyncClient
from ligserve.client.explainers.awaited import AwaitedExplainer
from ligserve.client.explainers.blocking import BlockingExplainer
from ligserve.client.explainers.construction import checked_client
from ligserve.client.explainers.question import CallOptions
from ligserve.client.explainers.token_classification_core import TokenAttributions, TokenClassificationCore
from ligserve.client.options import LongInputLike
from ligserve.client.sync import Client
from ligserve.client.types.enums import OutputSpace


class TokenClassificationExplainer(TokenClassificationCore, BlockingExplainer):
    """Answers as transformers-interpret's class of this name does, from a server.

        explainer = TokenClassificationExplainer(client, "ner")
        explainer("Ada lives in London", ignored_labels=["O"])
        # {"ada": {"label": "B-PER", "attribution_scores": [("[CLS]", 0.0), ("ada", 0.9), ...]}, ...}

    The convention is LIBRARY with 50 steps. Where the library cannot run the model, the answer is FAITHFUL,
    with a warning.

    Raises:
        AttributionTypeNotSupportedError: the attribution type is not "lig".
        TypeError: the client is not one, such as the library's model.
    """

    def __init__(self, client: Client, model_name: str, attribution_type: str = "lig") -> None:
        super().__init__(model_name, attribution_type)
        self._client = checked_client(client, Client, model_name, self)

    def __call__(
        self,
        text: str,
        embedding_type: int | None = 0,
        internal_batch_size: int | None = None,
        n_steps: int | None = None,
        ignored_indexes: Iterable[int] | None = None,
        ignored_labels: str | Iterable[str] | None = None,
        *,
        tolerance: float | None = None,
        output_space: OutputSpace | str | None = None,
        timeout: float | None = None,
        long_input: LongInputLike | None = None,
    ) -> dict[str, TokenAttributions]:
        """For each token that is not ignored its label, and tokens with normalised scores for that.

        Args:
            text: the text.
            embedding_type: 0 word embeddings, 1 position embeddings.
            internal_batch_size: recorded, without effect.
            n_steps: steps, from this call on.
            ignored_indexes: positions of tokens that are not explained, special tokens counted. One that no
                token has is an error; the library says nothing.
            ignored_labels: tokens of these labels are not explained.
            tolerance: relative error to reach, in place of a number of steps.
            output_space: the function of the logits; None: the probability.
            timeout: seconds; None: the client's default.
            long_input: what to do with a text that is longer than the model takes, as "window", where each
                label has the scores of its window's tokens; None: refuse.

        Raises:
            LigserveError: any of its tree.
            ValueError: n_steps and tolerance are both given.
        """
        options = CallOptions(
            embedding_type, internal_batch_size, n_steps, tolerance, output_space, timeout, long_input
        )
        task = self._task(text, ignored_indexes, ignored_labels)
        return self._finish(self._explained(self._question(task, options)))


class AsyncTokenClassificationExplainer(TokenClassificationCore, AwaitedExplainer):
    """`TokenClassificationExplainer` with an awaitable call.

        explainer = AsyncTokenClassificationExplainer(client, "ner")
        await explainer("Ada lives in London", ignored_labels=["O"])  # {"ada": {"label": "B-PER", ...}, ...}

    Raises:
        AttributionTypeNotSupportedError: the attribution type is not "lig".
        TypeError: the client is not one, such as the library's model.
    """

    def __init__(self, client: AsyncClient, model_name: str, attribution_type: str = "lig") -> None:
        super().__init__(model_name, attribution_type)
        self._client = checked_client(client, AsyncClient, model_name, self)

    async def __call__(
        self,
        text: str,
        embedding_type: int | None = 0,
        internal_batch_size: int | None = None,
        n_steps: int | None = None,
        ignored_indexes: Iterable[int] | None = None,
        ignored_labels: str | Iterable[str] | None = None,
        *,
        tolerance: float | None = None,
        output_space: OutputSpace | str | None = None,
        timeout: float | None = None,
        long_input: LongInputLike | None = None,
    ) -> dict[str, TokenAttributions]:
        """As `TokenClassificationExplainer.__call__`.

        Raises:
            LigserveError: any of its tree.
            ValueError: n_steps and tolerance are both given.
        """
        options = CallOptions(
            embedding_type, internal_batch_size, n_steps, tolerance, output_space, timeout, long_input
        )
        task = self._task(text, ignored_indexes, ignored_labels)
        return self._finish(await self._explained(self._question(task, options)))
