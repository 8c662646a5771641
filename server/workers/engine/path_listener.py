"""Who hears of a path."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from torch import Tensor

from ligserve.server.workers.engine.outputs import Output
from ligserve.server.workers.quadrature import NodeValue

if TYPE_CHECKING:
    from ligserve.server.workers.engine.path import Path


class PathListener(Protocol):
    """Whoever asked for a path; called in the engine's thread."""

    def predicted(self, logits: Tensor) -> Sequence[Output]:
        """Before the path's first gradient: logits of the input, (C,) or (T, C); returns what is explained.

        May raise ServeError, which ends the path.
        """
        ...

    def points_done(self, path: "Path") -> None:
        """A batch with points of the path is done, and what it calls for is planned."""
        ...

    def previewed(self, path: "Path", value: NodeValue) -> None:
        """The input's own point is done, where a preview is wanted."""
        ...

    def round_done(self, path: "Path") -> None:
        """A round is closed and its estimate is there; more rounds follow."""
        ...

    def finished(self, path: "Path") -> None:
        """The estimate is final; there may be none if the path is dispensable and was cut by the deadline."""
        ...

    def failed(self, error: Exception) -> None:
        """The path cannot be finished."""
        ...
