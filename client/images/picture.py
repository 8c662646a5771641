"""A picture of an explanation for a page: the image in grey, under its scores in colour."""

import base64
import io
from typing import TYPE_CHECKING, Any

from ligserve.client.images.arrays import image_array
from ligserve.client.images.heat import heat
from ligserve.client.images.needed import needed

if TYPE_CHECKING:
    from ligserve.client.types.explanation import Explanation

OUTLIER_PERCENT = 2.0
# Of the colour over the grey.
OPACITY = 0.55
LEAST_SIDE = 224
# Against, neutral, in favour.
_COLOURS = ((214, 39, 40), (255, 255, 255), (44, 160, 44))


def picture_url(explanation: "Explanation", target: int) -> str:
    """The picture of a target as a data URL that holds a PNG.

    Raises:
        ImportError: numpy or Pillow is not installed.
    """
    shape = explanation.image_shape
    if shape is None:
        raise ValueError("the explanation is not that of an image")
    np, image = needed("numpy", "numpy"), needed("PIL.Image", "Pillow")
    scores = image_array(shape, explanation.targets[target].scores).sum(axis=0)
    colour = _coloured(np, heat(scores, "all", OUTLIER_PERCENT) if scores.any() else scores)
    if explanation.pixel_values:
        grey = _grey(np, image_array(shape, explanation.pixel_values).mean(axis=0))
        colour = OPACITY * colour + (1 - OPACITY) * grey[..., None]
    drawn = image.fromarray(np.clip(np.rint(colour), 0, 255).astype(np.uint8))
    scale = -(-LEAST_SIDE // min(shape.height, shape.width))
    drawn = drawn.resize((shape.width * scale, shape.height * scale), image.Resampling.NEAREST)
    encoded = io.BytesIO()
    drawn.save(encoded, "PNG")
    return "data:image/png;base64," + base64.b64encode(encoded.getvalue()).decode()


def _coloured(np: Any, values: Any) -> Any:
    """(H, W) from -1 to 1 to (H, W, 3) from 0 to 255."""
    channels = [np.interp(values, (-1.0, 0.0, 1.0), levels) for levels in zip(*_COLOURS, strict=True)]
    return np.stack(channels, axis=-1)


def _grey(np: Any, values: Any) -> Any:
    """(H, W) of any range to 0..255."""
    low, high = values.min(), values.max()
    return 255 * (values - low) / (high - low) if high > low else np.full_like(values, 128.0)
