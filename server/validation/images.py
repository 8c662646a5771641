"""Rules of image classification."""

from ligserve.server.image_limits import MAX_IMAGE_BYTES, wrong_size
from ligserve.server.validation.rules import Violations
from ligserve.v1 import explanation_pb2 as pb

MAX_SAMPLES = 1000
MAX_STDEV = 1000.0
CHANNELS = (1, 3, 4)


def check_image(found: Violations, path: str, message: pb.ImageClassification) -> None:
    """Check that there is an image, and its size as far as it shows without decoding."""
    match message.WhichOneof("source"):
        case "array":
            _check_array(found, f"{path}.array", message.array)
        case "image":
            _check_bytes(found, f"{path}.image", message.image)
        case _:
            found.add(f"{path}.image", "must hold an image, as an encoded file or as array")


def check_noise_tunnel(found: Violations, path: str, message: pb.NoiseTunnel) -> None:
    """Check the kind, the number of copies and the size of the noise."""
    found.known_enum(f"{path}.kind", message.kind, pb.NoiseTunnel.Kind)
    if message.HasField("samples"):
        found.whole_number(f"{path}.samples", message.samples, 1, MAX_SAMPLES)
    if message.HasField("stdev") and not (0 < message.stdev <= MAX_STDEV):
        found.add(f"{path}.stdev", f"is {message.stdev}, but must be above 0 and at most {MAX_STDEV:g}")


def _check_bytes(found: Violations, path: str, data: bytes) -> None:
    if not data:
        found.add(path, "must hold an encoded image, PNG or JPEG; it is empty")
    elif len(data) > MAX_IMAGE_BYTES:
        found.add(path, f"has {len(data)} bytes, but may have at most {MAX_IMAGE_BYTES}")


def _check_array(found: Violations, path: str, array: pb.ImageArray) -> None:
    if array.channels not in CHANNELS:
        found.add(f"{path}.channels", f"is {array.channels}, but must be 1, 3 or 4")
        return
    if problem := wrong_size(array.width, array.height):
        found.add(path, problem)
        return
    expected = array.height * array.width * array.channels
    if len(array.values) != expected:
        sides = f"{array.height} x {array.width} x {array.channels}"
        found.add(f"{path}.values", f"has {len(array.values)} bytes, but must have {sides} = {expected}")
    elif expected > MAX_IMAGE_BYTES:
        found.add(f"{path}.values", f"has {expected} bytes, but may have at most {MAX_IMAGE_BYTES}")
