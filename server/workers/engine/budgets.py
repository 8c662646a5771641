"""How many tokens a batch of each model may hold."""

from ligserve.server.logs import logger
from ligserve.server.workers.models.loaded import LoadedModel

_log = logger("ligserve.engine")


class Budgets:
    """Token budgets, and what memory has taught of them. They never grow again.

    Args:
        asked: most rows x padded length in a batch of any model; 0: what each model's probe has found.
    """

    def __init__(self, asked: int = 0) -> None:
        self._asked = asked
        self._fitting: dict[str, int] = {}

    def of(self, model: LoadedModel) -> int:
        """Most rows x padded length in a batch of a model."""
        found = self._asked or model.token_budget
        return min(found, self._fitting.get(model.name, found))

    def halve(self, model: LoadedModel, tokens: int) -> None:
        """Learn that a batch of so many did not fit the memory, with nothing else in it."""
        budget = max(1, tokens // 2)
        if budget < self.of(model):
            self._fitting[model.name] = budget
            _log.warning("token_budget_halved", model=model.name, tokens=tokens, token_budget=budget)
