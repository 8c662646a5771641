"""What an explanation of an image can tell of its scores."""

from typing import TYPE_CHECKING, Any

from ligserve.client.images.arrays import scores_array
from ligserve.client.types.patches import Patch, patches_of, pixel_sums

if TYPE_CHECKING:
    from ligserve.client.types.inputs import ImageShape
    from ligserve.client.types.targets import TargetExplanation


class ImageScores:
    """Scores of an image as patches, pixels and arrays; a part of `Explanation`."""

    __slots__ = ()

    if TYPE_CHECKING:
        image_shape: ImageShape | None
        targets: tuple[TargetExplanation, ...]

    def patches(self, target: int = 0, size: int | None = None) -> tuple[Patch, ...]:
        """An image's patches row by row, each with the sum of its scores for a target; none for a text.

        Args:
            target: position of the target.
            size: side of a patch in pixels; None: the model's own, or 16.

        Raises:
            IndexError: there is no such target.
            ValueError: size is below 1.
        """
        scores = self.targets[target].scores
        return () if self.image_shape is None else patches_of(self.image_shape, scores, size)

    def top_patches(self, k: int = 10, target: int = 0, size: int | None = None) -> tuple[Patch, ...]:
        """The k patches that contribute most, for or against a target, strongest first; as `patches`.

        Raises:
            IndexError: there is no such target.
            ValueError: k is below 0, or size below 1.
        """
        if k < 0:
            raise ValueError(f"k must be a number of patches from 0, is {k}")
        return tuple(sorted(self.patches(target, size), key=lambda patch: -abs(patch.score))[:k])

    def pixels(self, target: int = 0) -> list[list[float]]:
        """An image's scores for a target summed over the colours: height lists of width; empty for a text.

        Raises:
            IndexError: there is no such target.
        """
        scores = self.targets[target].scores
        return [] if self.image_shape is None else pixel_sums(self.image_shape, scores)

    def array(self, target: int = 0) -> Any:
        """The scores for a target as a numpy array: (channels, height, width), of a text (tokens,).

        Raises:
            ImportError: numpy is not installed.
            IndexError: there is no such target.
        """
        return scores_array(self.image_shape, self.targets[target].scores)
