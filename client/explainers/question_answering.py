"""Drop-in explainers for question answering."""

from ligserve.client.aio import AsyncClient
from ligserve.client.explainers.awaited import AwaitedExplainer
from ligserve.client.explainers.blocking import BlockingExplainer
from ligserve.client.explainers.construction import checked_client
from ligserve.client.explainers.question import CallOptions
from ligserve.client.explainers.question_answering_core import (
    ALL_EMBEDDINGS,
    QuestionAnsweringCore,
    Scores,
)
from ligserve.client.options import LongInputLike
from ligserve.client.sync import Client
from ligserve.client.tasks import QuestionAnswering
from ligserve.client.types.enums import OutputSpace


class QuestionAnsweringExplainer(QuestionAnsweringCore, BlockingExplainer):
    """Answers as transformers-interpret's class of this name does, from a server.

        explainer = QuestionAnsweringExplainer(client, "squad")
        explainer("Who wrote it?", "Ada wrote it.")  # {"start": [("[CLS]", 0.0), ...], "end": [...]}
        explainer.predicted_answer  # "ada"

    The convention is LIBRARY with 50 steps. Where the library cannot run the model, the answer is FAITHFUL,
    with a warning, and is about the best valid span.

    Raises:
        AttributionTypeNotSupportedError: the attribution type is not "lig".
        TypeError: the client is not one, such as the library's model.
    """

    def __init__(self, client: Client, model_name: str, attribution_type: str = "lig") -> None:
        super().__init__(model_name, attribution_type)
        self._client = checked_client(client, Client, model_name, self)

    def __call__(
        self,
        question: str,
        text: str,
        embedding_type: int | None = ALL_EMBEDDINGS,
        internal_batch_size: int | None = None,
        n_steps: int | None = None,
        *,
        tolerance: float | None = None,
        output_space: OutputSpace | str | None = None,
        timeout: float | None = None,
        long_input: LongInputLike | None = None,
    ) -> Scores:
        """Tokens with normalised scores, once for the answer's start and once for its end.

        Args:
            question: the question.
            text: the text that holds the answer.
            embedding_type: 0 word embeddings, 1 position embeddings, 2 all embeddings.
            internal_batch_size: recorded, without effect.
            n_steps: steps, from this call on.
            tolerance: relative error to reach, in place of a number of steps.
            output_space: the function of the logits; None: the logit in LIBRARY, which has no other, else the
                probability.
            timeout: seconds; None: the client's default.
            long_input: what to do with a context that is longer than the model takes, as "window" (the window
                with the best answer is explained); None: refuse.

        Raises:
            LigserveError: any of its tree.
            ValueError: n_steps and tolerance are both given.
        """
        options = CallOptions(
            embedding_type, internal_batch_size, n_steps, tolerance, output_space, timeout, long_input
        )
        task = QuestionAnswering(question, text)
        return self._finish(self._explained(self._question(task, options)))


class AsyncQuestionAnsweringExplainer(QuestionAnsweringCore, AwaitedExplainer):
    """`QuestionAnsweringExplainer` with an awaitable call.

        explainer = AsyncQuestionAnsweringExplainer(client, "squad")
        await explainer("Who wrote it?", "Ada wrote it.")  # {"start": [("[CLS]", 0.0), ...], "end": [...]}

    Raises:
        AttributionTypeNotSupportedError: the attribution type is not "lig".
        TypeError: the client is not one, such as the library's model.
    """

    def __init__(self, client: AsyncClient, model_name: str, attribution_type: str = "lig") -> None:
        super().__init__(model_name, attribution_type)
        self._client = checked_client(client, AsyncClient, model_name, self)

    async def __call__(
        self,
        question: str,
        text: str,
        embedding_type: int | None = ALL_EMBEDDINGS,
        internal_batch_size: int | None = None,
        n_steps: int | None = None,
        *,
        tolerance: float | None = None,
        output_space: OutputSpace | str | None = None,
        timeout: float | None = None,
        long_input: LongInputLike | None = None,
    ) -> Scores:
        """As `QuestionAnsweringExplainer.__call__`.

        Raises:
            LigserveError: any of its tree.
            ValueError: n_steps and tolerance are both given.
        """
        options = CallOptions(
            embedding_type, internal_batch_size, n_steps, tolerance, output_space, timeout, long_input
        )
        task = QuestionAnswering(question, text)
        return self._finish(await self._explained(self._question(task, options)))
