"""The paths over the windows of a long text."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NoReturn, overload

from torch import Tensor

from ligserve.server.workers.explainers.documents.long_input import Cut
from ligserve.server.workers.explainers.options.setting import Setting
from ligserve.server.workers.explainers.plans.explained import Explained
from ligserve.server.workers.explainers.plans.plan import PathPlan


class LazyPaths(Sequence[PathPlan], ABC):
    """Paths that are made when they are asked for, so that memory does not hold them all."""

    @abstractmethod
    def path(self, number: int) -> PathPlan:
        """The path over a window."""

    @overload
    def __getitem__(self, window: int) -> PathPlan: ...

    @overload
    def __getitem__(self, window: slice) -> Sequence[PathPlan]: ...

    def __getitem__(self, window: int | slice) -> PathPlan | Sequence[PathPlan]:
        if isinstance(window, slice):
            return [self[number] for number in range(*window.indices(len(self)))]
        return self.path(window)

    def __iter__(self) -> Iterator[PathPlan]:
        # Sequences end with the first IndexError, which may be another's while a window is read.
        return map(self.path, range(len(self)))


@dataclass(frozen=True)
class WindowPaths(LazyPaths):
    """The paths over windows of a text.

    Attributes:
        setting: how they are explained.
        cut: the windows.
        explained: from a window's logits to what is explained.
        kept: for a head that judges each token, the tokens of each window whose logits are needed.
    """

    setting: Setting
    cut: Cut
    explained: Callable[[Tensor], Sequence[Explained]]
    kept: Sequence[range] | None = None

    def __len__(self) -> int:
        return len(self.cut.spans)

    def path(self, number: int) -> PathPlan:
        """The path over a window."""
        path = self.setting.path(self.cut.reader.read(*self.cut.spans[number]), self.explained)
        return path if self.kept is None else replace(path, kept=self.kept[number])


def not_asked(_logits: object) -> NoReturn:
    """Takes the place of what only a plan of one row is asked for.

    Raises:
        RuntimeError: always.
    """
    raise RuntimeError("of a long text the document's outcome tells what is explained")
