"""An image as the model sees it: what its own image processor makes of it."""

import torch
from PIL import Image
from torch import Tensor

from ligserve.server.errors import FailedPreconditionError
from ligserve.server.workers.engine.pixel_path import PIXELS
from ligserve.server.workers.models.loaded import ImageModel, RowInputs


def image_row(model: ImageModel, image: Image.Image, *, library: bool) -> RowInputs:
    """The row of `model(**processor(image))`; in LIBRARY nothing but the pixel values.

    Raises:
        FailedPreconditionError: the processor makes something else of it than one array of pixel values.
    """
    features = model.processor(images=image, return_tensors="pt")
    pixels = features.get(PIXELS)
    if not isinstance(pixels, Tensor) or pixels.ndim != 4 or not pixels.is_floating_point():
        raise FailedPreconditionError(
            f"model '{model.name}' cannot be explained: its image processor gives no {PIXELS} "
            "of (channels, height, width)",
            reason="MODEL_UNSUPPORTED",
        )
    row: dict[str, Tensor] = {PIXELS: pixels[0].to(torch.float32)}
    if not library:
        row |= {name: features[name][0] for name in features if name in model.parameters and name != PIXELS}
    return row
