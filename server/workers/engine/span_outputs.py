"""What is explained of a question answering model: an end of an answer."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ligserve.server.workers.engine.outputs import ROUNDING
from ligserve.server.workers.engine.picked import picked
from ligserve.v1 import explanation_pb2 as pb

# Columns of a question answering model's (B, T, 2) logits.
START, END = 0, 1
# Models push the logits of tokens that cannot be in an answer down by this much or more, which says nothing
# about how large the logits are that their arithmetic rounds.
_PUSHED_DOWN = 1e4


@dataclass(frozen=True, slots=True)
class SpanEndOutput:
    """How likely an answer starts (or ends) at one token rather than at others.

    Attributes:
        column: START or END.
        token: position of the token, 0 to T - 1.
        others: positions of the other tokens that share out the probability.
        space: the function of the logits.
    """

    column: int
    token: int
    others: tuple[int, ...]
    space: "pb.OutputSpace.ValueType"

    def __call__(self, logits: Tensor) -> Tensor:
        """(B, T, 2) logits to (B,) values."""
        if self.space == pb.OUTPUT_SPACE_LOGIT:
            return logits[:, self.token, self.column]
        log_odds = self._log_odds(logits)
        return log_odds if self.space == pb.OUTPUT_SPACE_LOG_ODDS else torch.sigmoid(log_odds)

    def log_odds(self, logits: Tensor) -> Tensor:
        """(B, T, 2) logits to (B,): log(p / (1 - p)) of a probability p; NaN of any other value."""
        if self.space != pb.OUTPUT_SPACE_PROBABILITY:
            return torch.full_like(logits[:, 0, 0], torch.nan)
        return self._log_odds(logits)

    def noise(self, logits: Tensor) -> Tensor:
        """(B, T, 2) logits to (B,): how far the value may move by rounding inside the model."""
        value = self(logits)
        counted = picked(logits[:, :, self.column], [self.token, *self.others])
        return ROUNDING * (self._slope(value) * (1 + _size(counted)) + value.abs() / 8)

    def _log_odds(self, logits: Tensor) -> Tensor:
        column = logits[:, :, self.column]
        return column[:, self.token] - torch.logsumexp(picked(column, self.others), dim=1)

    def _slope(self, value: Tensor) -> Tensor:
        """The sum of the value's |derivatives| to the logits."""
        if self.space == pb.OUTPUT_SPACE_PROBABILITY:
            return 2 * value * (1 - value)
        return torch.full_like(value, 2.0 if self.space == pb.OUTPUT_SPACE_LOG_ODDS else 1.0)


@dataclass(frozen=True, slots=True)
class LargestLogitOutput:
    """The largest start (or end) logit of all tokens, whichever token has it at that point of the path.

    Attributes:
        column: START or END.
    """

    column: int

    def __call__(self, logits: Tensor) -> Tensor:
        """(B, T, 2) logits to (B,) values."""
        return logits[:, :, self.column].max(dim=1).values

    def noise(self, logits: Tensor) -> Tensor:
        """(B, T, 2) logits to (B,): how far the value may move by rounding inside the model."""
        return ROUNDING * (1 + _size(logits[:, :, self.column]) + self(logits).abs() / 8)

    def log_odds(self, logits: Tensor) -> Tensor:
        """(B, T, 2) logits to (B,): NaN, since it is no probability."""
        return torch.full_like(logits[:, 0, 0], torch.nan)


def _size(logits: Tensor) -> Tensor:
    """(B, T) logits to (B,): the largest, either sign, of those that were not pushed down."""
    sizes = logits.abs()
    return sizes.where(sizes < _PUSHED_DOWN, 0.0).amax(dim=1)
