"""The paths over the windows of a long text."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NoReturn, overload

from torch import Tensor

from ligserve.server.workers.explainers.long_input import Cut
from ligserve.server.workers.explainers.plan import Explained, PathPlan
from ligserve.server.workers.explainers.setting import Setting


@dataclass(frozen=True)
class WindowPaths(Sequence[PathPlan]):
    """The paths over windows, each made when it is asked for, so that memory does not hold them all.

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

    @overload
    def __getitem__(self, window: int) -> PathPlan: ...

    @overload
    def __getitem__(self, window: slice) -> Sequence[PathPlan]: ...

    def __getitem__(self, window: int | slice) -> PathPlan | Sequence[PathPlan]:
        if isinstance(window, slice):
            return [self[number] for number in range(*window.indices(len(self)))]
        path = self.setting.path(self.cut.reader.read(*self.cut.spans[window]), self.explained)
        return path if self.kept is None else replace(path, kept=self.kept[window])


def not_asked(_logits: object) -> NoReturn:
    """Takes the place of what only a plan of one row is asked for.

    Raises:
        RuntimeError: always.
    """
    raise RuntimeError("of a long text the document's outcome tells what is explained")
