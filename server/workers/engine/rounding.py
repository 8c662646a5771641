"""What the arithmetic of a path's points leaves wrong."""

from collections.abc import Mapping
from dataclasses import dataclass

from ligserve.server.workers.engine.outputs import ROUNDING
from ligserve.server.workers.models.precision import Precision
from ligserve.v1 import explanation_pb2 as pb


@dataclass(frozen=True, slots=True)
class Rounding:
    """Measured on trained classifiers of 6 layers and random ones of 6 and 12 (docs/quadrature.md).

    Attributes:
        outputs: how far a logit may be off, as a multiple of 1 + the largest |logit|.
        scores: how far the scores of a path may be off in all, as a share of the integral of the sum of
            |gradient x change| over the tokens; 0 where that is far below any tolerance.
    """

    outputs: float
    scores: float

    @property
    def noise(self) -> float:
        """How many times more than in float32 an output may be off."""
        return self.outputs / ROUNDING


_ELEVEN_BITS = Rounding(outputs=2**-10, scores=2**-9)
ROUNDINGS: Mapping[Precision, Rounding] = {
    pb.PRECISION_FLOAT32: Rounding(outputs=ROUNDING, scores=0.0),
    pb.PRECISION_BFLOAT16: Rounding(outputs=2**-7, scores=3 * 2**-8),
    pb.PRECISION_FLOAT16: _ELEVEN_BITS,
    pb.PRECISION_TF32: _ELEVEN_BITS,
}
