"""The calls of the blocking drop-ins."""

from ligserve.client.errors import FailedPreconditionError
from ligserve.client.explainers.core import ExplainerCore
from ligserve.client.explainers.question import Question
from ligserve.client.sync import Client
from ligserve.client.types.explanation import Explanation


class BlockingExplainer(ExplainerCore):
    """Asks a server, and waits."""

    _client: Client

    def _explained(self, question: Question) -> Explanation:
        """The answer to the question, or to one that stands in for it."""
        while True:
            try:
                return self._client.explain(self.model_name, question.task, **question.keywords())
            except FailedPreconditionError as refusal:
                question = self._after(question, refusal)

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
