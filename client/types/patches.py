"""Scores of an image's patches: the sums over their pixel values."""

from collections.abc import Sequence
from dataclasses import dataclass

from ligserve.client.types.inputs import ImageShape

# The usual patch of a vision transformer, for models that have none.
USUAL_PATCH = 16


@dataclass(frozen=True, slots=True)
class Patch:
    """A square of an image as the model sees it, cut off at the image's edge.

    Attributes:
        row: its row among the patches, from 0 at the top.
        column: its column among the patches, from 0 at the left.
        top: first row of pixels.
        left: first column of pixels.
        bottom: last row of pixels, exclusive.
        right: last column of pixels, exclusive.
        score: sum of its pixel values' scores, in units of the target's output space.
    """

    row: int
    column: int
    top: int
    left: int
    bottom: int
    right: int
    score: float


def pixel_sums(shape: ImageShape, scores: Sequence[float]) -> list[list[float]]:
    """The scores summed over the colour channels, row by row: height lists of width numbers."""
    area = shape.height * shape.width
    planes = [scores[first : first + area] for first in range(0, shape.channels * area, area)]
    sums = [sum(values) for values in zip(*planes, strict=True)]
    return [sums[first : first + shape.width] for first in range(0, area, shape.width)]


def patches_of(shape: ImageShape, scores: Sequence[float], size: int | None = None) -> tuple[Patch, ...]:
    """The patches row by row; `size` is their side in pixels, by default the model's own.

    Raises:
        ValueError: size is below 1.
    """
    side = size if size is not None else shape.patch_size or USUAL_PATCH
    if side < 1:
        raise ValueError(f"size must be a number of pixels from 1, is {side}")
    sums = pixel_sums(shape, scores)
    return tuple(
        _patch(sums, top, left, side)
        for top in range(0, shape.height, side)
        for left in range(0, shape.width, side)
    )


def _patch(sums: Sequence[Sequence[float]], top: int, left: int, side: int) -> Patch:
    bottom, right = min(top + side, len(sums)), min(left + side, len(sums[0]))
    score = sum(sum(row[left:right]) for row in sums[top:bottom])
    return Patch(top // side, left // side, top, left, bottom, right, score)
