"""The calls of the asyncio drop-ins."""

from ligserve.client.aio import AsyncClient
from ligserve.client.errors import FailedPreconditionError
from ligserve.client.explainers.core import ExplainerCore
from ligserve.client.explainers.errors import InputIdsNotCalculatedError
from ligserve.client.explainers.question import Question
from ligserve.client.types.explanation import Explanation


class AwaitedExplainer(ExplainerCore):
    """Asks a server, and is awaited."""

    _client: AsyncClient

    async def _explained(self, question: Question) -> Explanation:
        """The answer to the question, or to one that stands in for it."""
        while True:
            try:
                return await self._client.explain(self.model_name, question.task, **question.keywords())
            except FailedPreconditionError as refusal:
                question = self._after(question, refusal)

    async def load(self) -> None:
        """Ask the server for the model's labels.

        Raises:
            LigserveError: any of its tree.
            ValueError: the labels are not what the explainer needs.
        """
        self._learn(await self._client.model(self.model_name))

    @property
    def id2label(self) -> dict[int, str]:
        """Names of the classes by position.

        Raises:
            InputIdsNotCalculatedError: neither a call nor load() was awaited yet.
        """
        labels = self._labels or self._labels_of_answer()
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

    def _labels_of_answer(self) -> tuple[str, ...] | None:
        if self.explanation is None:
            return None
        predictions = self.explanation.token_predictions or (self._prediction(),)
        return predictions[0].labels
