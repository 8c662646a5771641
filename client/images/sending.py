"""From what a caller has (a file's bytes, an array, a PIL image) to what is sent."""

import io
from typing import Any, Protocol, TypeAlias, runtime_checkable

from ligserve.client.images.needed import needed
from ligserve.v1 import explanation_pb2 as pb

# Above it the server takes encoded files only.
MAX_RAW_BYTES = 16 << 20
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
# What can be sent as it is: as raw pixels, or as PNG without a loss.
_RAW_MODES = frozenset(_MODES.values())
_PNG_MODES = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "I;16"})


@runtime_checkable
class PilImage(Protocol):
    """What is needed of a PIL image; Pillow itself is not."""

    @property
    def mode(self) -> str:
        """Kind of its pixels."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""

    def convert(self, mode: str) -> Any:
        """The image in another mode."""

    def tobytes(self) -> bytes:
        """Its pixels."""

    def save(self, fp: Any, format: str) -> None:
        """Write it as a file."""


class PixelArray(Protocol):
    """An array of uint8 with the buffer protocol, such as numpy's: (H, W), or (H, W, channels)."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""


ImageLike: TypeAlias = bytes | bytearray | memoryview | PilImage | PixelArray


def fill_image(message: pb.ImageClassification, image: ImageLike) -> None:
    """Write an image into a request: bytes as they are, pixels raw where they are small enough, else as PNG.

    A PIL image's pixels are sent as they are: its EXIF orientation is not applied.

    Raises:
        TypeError: it is no image, such as a path.
        ValueError: an array's shape is not that of an image.
        ImportError: an array is too large to be sent raw, and Pillow is not installed.
    """
    if isinstance(image, bytes | bytearray):
        message.image = bytes(image)
    elif isinstance(image, PilImage):
        _fill_pil(message, image)
    else:
        _fill_array(message, _view(image))


def _fill_pil(message: pb.ImageClassification, image: PilImage) -> None:
    if image.mode not in _PNG_MODES:
        image = image.convert("RGB")
    width, height = image.size
    channels = {mode: count for count, mode in _MODES.items()}.get(image.mode)
    if image.mode in _RAW_MODES and channels and width * height * channels <= MAX_RAW_BYTES:
        values = image.tobytes()
        message.array.CopyFrom(pb.ImageArray(height=height, width=width, channels=channels, values=values))
    else:
        encoded = io.BytesIO()
        image.save(encoded, "PNG")
        message.image = encoded.getvalue()


def _view(image: object) -> memoryview:
    kind = type(image).__name__
    if isinstance(image, str) or hasattr(image, "__fspath__"):
        raise TypeError(
            f"an image is sent as bytes, never as a path: read the file first, such as "
            f"Path({str(image)!r}).read_bytes()"
        )
    try:
        view = memoryview(image)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(
            f"an image is the bytes of a PNG or JPEG file, a PIL image or an array of uint8; got {kind}"
        ) from None
    if view.format != "B":
        raise TypeError(f"an array that is an image holds uint8, 0 to 255; this one holds {view.format!r}")
    return view


def _fill_array(message: pb.ImageClassification, view: memoryview) -> None:
    shape = view.shape or ()
    channels = shape[2] if len(shape) == 3 else 1
    if len(shape) not in (2, 3) or channels not in _MODES:
        raise ValueError(
            f"an array that is an image has shape (height, width) or (height, width, 1, 3 or 4); got {shape}"
        )
    height, width, values = shape[0], shape[1], view.tobytes()
    if len(values) <= MAX_RAW_BYTES:
        message.array.CopyFrom(pb.ImageArray(height=height, width=width, channels=channels, values=values))
    else:
        image = needed("PIL.Image", "Pillow").frombytes(_MODES[channels], (width, height), values)
        _fill_pil(message, image)
