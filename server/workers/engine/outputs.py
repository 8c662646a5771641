"""What is explained: one scalar function of a classifier's logits."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ligserve.v1 import explanation_pb2 as pb


@dataclass(frozen=True, slots=True)
class ClassOutput:
    """The output for one class, or its difference to another class', in an output space.

    Attributes:
        class_index: position of the class, 0 to C - 1.
        versus_index: position of the class it is compared with, None for none.
        space: the function of the logits.
    """

    class_index: int
    versus_index: int | None
    space: "pb.OutputSpace.ValueType"

    def __call__(self, logits: Tensor) -> Tensor:
        """(B, C) logits to (B,) values."""
        output = _SPACES[self.space]
        value = output(logits, self.class_index)
        return value if self.versus_index is None else value - output(logits, self.versus_index)


def probabilities(logits: Tensor) -> Tensor:
    """(B, C) softmax over the classes; the sigmoid of a single logit."""
    return torch.sigmoid(logits) if logits.shape[1] == 1 else torch.softmax(logits, dim=1)


def _probability(logits: Tensor, index: int) -> Tensor:
    return probabilities(logits)[:, index]


def _log_odds(logits: Tensor, index: int) -> Tensor:
    """z_c - logsumexp of the others: log(p / (1 - p)) without the cancellation in 1 - p."""
    if logits.shape[1] == 1:
        return logits[:, index]
    others = torch.cat([logits[:, :index], logits[:, index + 1 :]], dim=1)
    return logits[:, index] - torch.logsumexp(others, dim=1)


def _logit(logits: Tensor, index: int) -> Tensor:
    return logits[:, index]


_SPACES: dict["pb.OutputSpace.ValueType", Callable[[Tensor, int], Tensor]] = {
    pb.OUTPUT_SPACE_PROBABILITY: _probability,
    pb.OUTPUT_SPACE_LOG_ODDS: _log_odds,
    pb.OUTPUT_SPACE_LOGIT: _logit,
}
