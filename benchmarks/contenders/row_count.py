"""Counts the rows that go forward through a model."""

from typing import Any

from torch import Tensor, nn


class RowCount:
    """The rows of a network's forward passes since they were last taken."""

    def __init__(self, network: nn.Module) -> None:
        self._rows = 0
        network.register_forward_pre_hook(self._count, with_kwargs=True)

    def take(self) -> int:
        """The rows so far; it begins from 0 again."""
        rows, self._rows = self._rows, 0
        return rows

    def _count(self, _network: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        first = next(value for value in (*args, *kwargs.values()) if isinstance(value, Tensor))
        self._rows += len(first)
