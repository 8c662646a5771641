"""What a path is, before any of it is computed."""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence

import torch
from torch import Tensor

from ligserve.server.workers.models.loaded import LoadedModel, RowInputs
from ligserve.server.workers.models.precision import Precision
from ligserve.v1 import explanation_pb2 as pb

# Start and end of one tensor that a path moves, each (T, d).
Ends = tuple[Tensor, Tensor]


class PathSpec(ABC):
    """What a path moves, and how the model is run with it moved."""

    model: LoadedModel
    row: RowInputs
    prediction_row: RowInputs
    precision: Precision

    @property
    @abstractmethod
    def length(self) -> int:
        """Number of scores."""

    @property
    @abstractmethod
    def tokens(self) -> int:
        """What one row costs, in tokens."""

    @property
    def workload(self) -> Hashable:
        """Equal for paths of one model whose batches take as long, and that need about as many points."""
        return (self.model.name, self.precision)

    @property
    def identity(self) -> bytes | None:
        """Equal for equal paths of one model; None where its points are not worth keeping."""
        return None

    @property
    def stands_still(self) -> bool:
        """Whether it is known beforehand that it ends where it starts, so that all its points are one."""
        return False

    @property
    def tells_others(self) -> bool:
        """Whether outputs that were not evaluated may follow from the logits and those that were."""
        return self.precision == pb.PRECISION_FLOAT32 and not self.model.head.per_token

    @property
    def start_key(self) -> bytes | None:
        """Equal for paths of a model whose starts have the same logits; None where that is not known."""
        return None

    @property
    @abstractmethod
    def batch_key(self) -> Hashable:
        """Points with equal keys can share a batch."""

    @abstractmethod
    def ends(self) -> list[Ends]:
        """Start and end of every tensor that the path moves."""

    @abstractmethod
    def run(
        self,
        rows: Sequence[RowInputs],
        moved: Sequence[Tensor],
        precision: Precision = pb.PRECISION_FLOAT32,
    ) -> Tensor:
        """The logits of rows (of any path with this batch key) where each tensor (B, T, d) is moved."""

    @abstractmethod
    def scores(self, products: Sequence[Tensor]) -> Tensor:
        """(B, scores) from gradient x (end - start) of each moved tensor, (B, T, d)."""

    @abstractmethod
    def check(self) -> None:
        """Refuse, before anything is run, what would go wrong in the model.

        Raises:
            FailedPreconditionError: the row does not fit the model.
        """

    def own(self, logits: Tensor) -> Tensor:
        """The logits without those of padding."""
        return logits[:, : self.length] if self.model.head.per_token else logits

    def predict(self) -> Tensor:
        """Logits of the input, nothing replaced: (C,), or (T, C) of a head that judges each token.

        Raises:
            FailedPreconditionError: the row does not fit the model.
        """
        self.check()
        with torch.no_grad():
            return self.model.logits(self.model.batch([self.prediction_row]))[0]
