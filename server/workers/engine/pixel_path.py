"""A path that moves the pixel values of an image."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ligserve.server.workers.engine.row_digest import row_digest
from ligserve.server.workers.engine.spec import Ends, PathSpec
from ligserve.server.workers.models.loaded import ImageModel, RowInputs
from ligserve.server.workers.models.precision import Precision
from ligserve.v1 import explanation_pb2 as pb

PIXELS = "pixel_values"
# Side of the usual patch of a vision transformer. Models in stages start with finer patches and end with
# coarser ones, at about its cost; so do convolutions.
USUAL_PATCH = 16


@dataclass(frozen=True)
class PixelPathSpec(PathSpec):
    """From pixel values of zero to those of the image, or of a noisy copy of it.

    Attributes:
        model: the model.
        row: inputs of the end of the path; all but the pixel values are kept along it.
        prediction_row: inputs of the prediction; a plain forward pass, so that it is the deployed one.
        precision: the arithmetic of its points.
    """

    model: ImageModel
    row: RowInputs
    prediction_row: RowInputs
    precision: Precision = pb.PRECISION_FLOAT32

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of the pixel values."""
        channels, height, width = self.row[PIXELS].shape
        return channels, height, width

    @property
    def length(self) -> int:
        """Every pixel value has a score."""
        return self.row[PIXELS].numel()

    @property
    def tokens(self) -> int:
        """The patches that a vision transformer makes of it."""
        patch = self.model.patch_size
        side = USUAL_PATCH if patch is None or self.model.merges_patches else patch
        _, height, width = self.shape
        return -(-height // side) * -(-width // side)

    @property
    def identity(self) -> bytes | None:
        """A digest of all that a path depends on; None of a noisy copy, which is one of very many."""
        if self.row is not self.prediction_row:
            return None
        return row_digest(self.row, salt=str(self.precision).encode())

    @property
    def stands_still(self) -> bool:
        """Whether all pixel values are zero."""
        return not self.row[PIXELS].any()

    @property
    def batch_key(self) -> Hashable:
        """Rows of one model, shape and arithmetic."""
        return (self.model.name, tuple(sorted(self.row)), self.shape, self.precision)

    def check(self) -> None:
        """Nothing is left to go wrong: the processor made the row."""

    def ends(self) -> list[Ends]:
        """Zeros and the pixel values, each (C x H x W, 1)."""
        end = self.model.transfer.send(self.row[PIXELS].reshape(-1, 1))
        return [(torch.zeros_like(end), end)]

    def run(
        self,
        rows: Sequence[RowInputs],
        moved: Sequence[Tensor],
        precision: Precision = pb.PRECISION_FLOAT32,
    ) -> Tensor:
        """The logits of rows with other pixel values, (B, C x H x W, 1)."""
        others = [{name: value for name, value in row.items() if name != PIXELS} for row in rows]
        pixels = moved[0].reshape(len(rows), *self.shape)
        return self.model.logits({**self.model.batch(others), PIXELS: pixels}, precision)

    def scores(self, products: Sequence[Tensor]) -> Tensor:
        """(B, C x H x W): nothing is summed, so nothing is gained by more digits than the model has."""
        return products[0][:, :, 0]
