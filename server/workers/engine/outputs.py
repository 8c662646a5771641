"""What is explained: one scalar function of a model's logits."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ligserve.server.workers.engine.picked import picked
from ligserve.v1 import explanation_pb2 as pb

# A float32 model's logits in another batch, with other threads or on another machine: measured up to some
# 10 units in the last place on models of 2 to 12 layers.
ROUNDING = 16 * torch.finfo(torch.float32).eps


class Output(Protocol):
    """A scalar function of the logits; equal ones are computed once."""

    def __call__(self, logits: Tensor) -> Tensor:
        """(B, C) or (B, T, C) logits to (B,) values."""
        ...

    def noise(self, logits: Tensor) -> Tensor:
        """(B,): how far the value may move by rounding inside the model."""
        ...

    def log_odds(self, logits: Tensor) -> Tensor:
        """(B,): log(p / (1 - p)) of an output that is a probability p; NaN of any other."""
        ...

    def __hash__(self) -> int:
        """Equal outputs hash alike."""
        ...


@dataclass(frozen=True, slots=True)
class ClassOutput:
    """The output for one class, or its difference to another class', in an output space.

    Attributes:
        class_index: position of the class, 0 to C - 1.
        versus_index: position of the class it is compared with, None for none.
        space: the function of the logits.
        among: the classes that share out the probability; None: all of them. The class alone: the sigmoid of
            its logit, whatever the others are.
        flipped: whether the opposite is explained: 1 - p of a single logit, its log-odds or logit times -1.
    """

    class_index: int
    versus_index: int | None
    space: "pb.OutputSpace.ValueType"
    among: tuple[int, ...] | None = None
    flipped: bool = False

    def noise(self, logits: Tensor) -> Tensor:
        """(B, C) logits to (B,): how far the value may move by rounding inside the model.

        Every logit may be off by ROUNDING x (1 + the largest |logit|); that, times how steeply the value
        depends on the logits (the sum of its |derivatives|), is how far the value may be off.
        """
        slope, value = self._of(_SLOPES, logits, self.class_index), self(logits).abs()
        if self.versus_index is not None:
            slope = slope + self._of(_SLOPES, logits, self.versus_index)
        return ROUNDING * (slope * (1 + logits.abs().amax(dim=1)) + value / 8)

    def log_odds(self, logits: Tensor) -> Tensor:
        """(B, C) logits to (B,): log(p / (1 - p)) of a probability p; NaN of any other value."""
        if self.space != pb.OUTPUT_SPACE_PROBABILITY or self.versus_index is not None:
            return torch.full_like(logits[:, 0], torch.nan)
        return self._of({self.space: _log_odds}, logits, self.class_index)

    def __call__(self, logits: Tensor) -> Tensor:
        """(B, C) logits to (B,) values."""
        value = self._of(_SPACES, logits, self.class_index)
        return value if self.versus_index is None else value - self._of(_SPACES, logits, self.versus_index)

    def _of(self, functions: "FunctionsOfLogits", logits: Tensor, index: int) -> Tensor:
        """The function of this output's space, for one class among those that count."""
        signed = -logits if self.flipped else logits
        if self.among is None:
            return functions[self.space](signed, index)
        return functions[self.space](picked(signed, self.among), self.among.index(index))


@dataclass(frozen=True, slots=True)
class TokenOutput:
    """The output for one class of one token.

    Attributes:
        position: position of the token, 0 to T - 1.
        output: the function of that token's logits.
    """

    position: int
    output: ClassOutput

    def noise(self, logits: Tensor) -> Tensor:
        """(B, T, C) logits to (B,): how far the value may move by rounding inside the model."""
        return self.output.noise(logits[:, self.position])

    def log_odds(self, logits: Tensor) -> Tensor:
        """(B, T, C) logits to (B,): log(p / (1 - p)) of a probability p; NaN of any other value."""
        return self.output.log_odds(logits[:, self.position])

    def __call__(self, logits: Tensor) -> Tensor:
        """(B, T, C) logits to (B,) values."""
        return self.output(logits[:, self.position])


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


def _probability_slope(logits: Tensor, index: int) -> Tensor:
    p = _probability(logits, index)
    return 2 * p * (1 - p)


def _log_odds_slope(logits: Tensor, index: int) -> Tensor:
    return torch.full_like(logits[:, 0], 1.0 if logits.shape[1] == 1 else 2.0)


def _logit_slope(logits: Tensor, index: int) -> Tensor:
    return torch.ones_like(logits[:, 0])


FunctionsOfLogits = Mapping["pb.OutputSpace.ValueType", Callable[[Tensor, int], Tensor]]

_SLOPES: FunctionsOfLogits = {
    pb.OUTPUT_SPACE_PROBABILITY: _probability_slope,
    pb.OUTPUT_SPACE_LOG_ODDS: _log_odds_slope,
    pb.OUTPUT_SPACE_LOGIT: _logit_slope,
}
_SPACES: FunctionsOfLogits = {
    pb.OUTPUT_SPACE_PROBABILITY: _probability,
    pb.OUTPUT_SPACE_LOG_ODDS: _log_odds,
    pb.OUTPUT_SPACE_LOGIT: _logit,
}
