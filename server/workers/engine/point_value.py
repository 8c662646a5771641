"""What a batch gives for one point of a path."""

from typing import NamedTuple

from torch import Tensor

from ligserve.server.workers.quadrature import NodeValue


class PointValue(NamedTuple):
    """The value of one point.

    Attributes:
        alpha: the point.
        value: of the outputs that were evaluated.
        logits: (C,) or (T, C), float64.
    """

    alpha: float
    value: NodeValue
    logits: Tensor
