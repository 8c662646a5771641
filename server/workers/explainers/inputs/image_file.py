"""From what a caller sends (an encoded file, or raw pixels) to an image."""

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ligserve.server.errors import FieldViolation, InvalidArgumentError
from ligserve.server.image_limits import wrong_size
from ligserve.v1 import explanation_pb2 as pb

FORMATS = ("PNG", "JPEG")
_RAW_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


@dataclass(frozen=True)
class ReadImage:
    """An image as a caller sent it, upright.

    Attributes:
        image: in grey or RGB, 8 bits a channel.
        transparent: whether it had transparency, which is ignored.
    """

    image: Image.Image
    transparent: bool


def read_image(question: pb.ImageClassification, field: str, channels: int) -> ReadImage:
    """The image of a question.

    As transformers' pipeline reads it: upright by its EXIF orientation, converted to RGB, which drops
    transparency. Only greyscale of 16 bits is scaled to 8 rather than cut at 255, which leaves nothing of it.

    Args:
        question: the question; its sizes were checked as far as they show without decoding.
        field: the request's field that holds it, for error messages.
        channels: colour channels of the model's input.

    Raises:
        InvalidArgumentError: the file is corrupt, of another format, or too large.
    """
    if question.WhichOneof("source") == "array":
        image = _raw(question.array)
    else:
        image = _decoded(question.image, f"{field}.image")
    transparent = image.has_transparency_data
    return ReadImage(image.convert("L" if channels == 1 else "RGB"), transparent)


def _raw(array: pb.ImageArray) -> Image.Image:
    return Image.frombytes(_RAW_MODES[array.channels], (array.width, array.height), array.values)


def _decoded(data: bytes, field: str) -> Image.Image:
    opened = _tried(lambda: Image.open(io.BytesIO(data), formats=FORMATS), field)
    # The header is read by now, no pixel is.
    if problem := wrong_size(*opened.size):
        raise InvalidArgumentError([FieldViolation(field, problem)], reason="IMAGE_SIZE")
    return _tried(lambda: _eight_bits(ImageOps.exif_transpose(opened)), field)


def _tried(step: Callable[[], Image.Image], field: str) -> Image.Image:
    """Decoders raise OSError, ValueError, SyntaxError, struct.error, zlib.error and more on bad files."""
    try:
        return step()
    except MemoryError:
        raise
    except Image.DecompressionBombError as error:
        raise InvalidArgumentError([FieldViolation(field, str(error))], reason="IMAGE_SIZE") from error
    except UnidentifiedImageError as error:
        raise _unreadable(field, f"it is neither of {' and '.join(FORMATS)}") from error
    except Exception as error:
        raise _unreadable(field, " ".join(str(error).split())[:200]) from error


def _unreadable(field: str, why: str) -> InvalidArgumentError:
    return InvalidArgumentError([FieldViolation(field, f"cannot be read: {why}")], reason="IMAGE_UNREADABLE")


def _eight_bits(image: Image.Image) -> Image.Image:
    if not image.mode.startswith("I"):
        image.load()
        return image
    return Image.fromarray((np.asarray(image, dtype=np.int64) >> 8).astype(np.uint8))
