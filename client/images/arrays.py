"""Scores and pixel values as numpy arrays."""

from collections.abc import Sequence
from typing import Any

from ligserve.client.images.needed import needed
from ligserve.client.types.inputs import ImageShape


def scores_array(shape: ImageShape | None, scores: Sequence[float]) -> Any:
    """Scores as a numpy array in float64: (channels, height, width) of an image, else (tokens,).

    Raises:
        ImportError: numpy is not installed.
    """
    if shape is not None:
        return image_array(shape, scores)
    return needed("numpy", "numpy").asarray(scores, dtype="float64")


def image_array(shape: ImageShape, values: Sequence[float]) -> Any:
    """Values of an image as a numpy array of (channels, height, width), in float64.

    Raises:
        ImportError: numpy is not installed.
    """
    np = needed("numpy", "numpy")
    return np.asarray(values, dtype=np.float64).reshape(shape.channels, shape.height, shape.width)


def batch_of_one(shape: ImageShape, values: Sequence[float]) -> Any:
    """Values as transformers-interpret gives them, (1, channels, height, width) in float32.

    A numpy array where numpy is installed, else lists in lists.
    """
    try:
        np = needed("numpy", "numpy")
    except ImportError:
        area, width = shape.height * shape.width, shape.width
        return [
            [
                [list(values[row : row + width]) for row in range(first, first + area, width)]
                for first in range(0, shape.channels * area, area)
            ]
        ]
    return image_array(shape, values).astype(np.float32)[None]
