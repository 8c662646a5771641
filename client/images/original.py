"""The caller's own image, at the size of the model's."""

import io
from typing import Any

from ligserve.client.images.needed import needed
from ligserve.client.images.sending import ImageLike
from ligserve.client.types.inputs import ImageShape


def original_pixels(image: ImageLike, shape: ImageShape) -> Any:
    """The image stretched to the model's size, as a numpy array of (height, width, 3), 0 to 255.

    Raises:
        ImportError: numpy or Pillow is not installed.
    """
    np, images = needed("numpy", "numpy"), needed("PIL.Image", "Pillow")
    if isinstance(image, bytes | bytearray):
        opened = needed("PIL.ImageOps", "Pillow").exif_transpose(images.open(io.BytesIO(image)))
    elif isinstance(image, images.Image):
        opened = image
    else:
        pixels = np.asarray(image)
        opened = images.fromarray(pixels[:, :, 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels)
    size = (shape.width, shape.height)
    return np.asarray(opened.convert("RGB").resize(size, images.Resampling.BILINEAR))
