"""Images that are wrong in every way, on the real server: told field by field, and nobody else notices."""

import math
import re
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np
import pytest
from google.rpc import error_details_pb2
from PIL import Image

from ligserve.client import (
    Client,
    FailedPreconditionError,
    ImageClassification,
    ImageClassificationExplainer,
    InvalidRequestError,
    SequenceClassification,
)
from ligserve.v1 import explanation_service_pb2 as pb
from tests.e2e.test_bad_requests import detail, message, refusals
from tests.live_server import LiveServer
from tests.zoo.images import IMAGES, encoded, gradient

FIELD = "image_classification"
IMAGE, ARRAY, NOISE = (f"{FIELD}.{name}" for name in ("image", "array", "noise_tunnel"))
MIB = 1 << 20
PNG = encoded(gradient())


@pytest.fixture(autouse=True)
def others_are_served(live_images: LiveServer) -> Iterator[None]:
    """After each of these requests another client gets its answer, of the same workers."""
    workers = [worker.pid for worker in live_images.workers()]
    yield
    with Client(live_images.address) as other:
        answer = other.explain("vit", ImageClassification(IMAGES["shapes"]), n_steps=3)
    assert answer.targets[0].points == 5
    assert [worker.pid for worker in live_images.workers()] == workers


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def announcing(width: int, height: int) -> bytes:
    """A small PNG that says it is large: a decompression bomb."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(bytes(100_000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")


def asked(options: dict[str, Any] | None = None, **task: Any) -> pb.ExplainRequest:
    task = task or {"image": PNG}
    return message(model="vit", image_classification=task, options=options or {})


def raw(height: int, width: int, channels: int, values: bytes = b"") -> pb.ExplainRequest:
    array = {"height": height, "width": width, "channels": channels, "values": values}
    return asked(array=array)


def noise(**settings: Any) -> pb.ExplainRequest:
    return asked(image=PNG, noise_tunnel=settings)


WRONG: dict[str, tuple[pb.ExplainRequest, str, str]] = {
    "nothing": (asked(targets=[]), IMAGE, "must hold an image"),
    "no bytes": (asked(image=b""), IMAGE, "it is empty"),
    "text": (asked(image=b"this is no image"), IMAGE, "neither of PNG and JPEG"),
    "gif": (asked(image=encoded(gradient(), "GIF")), IMAGE, "neither of PNG and JPEG"),
    "webp": (asked(image=encoded(gradient(), "WEBP")), IMAGE, "neither of PNG and JPEG"),
    "cut png": (asked(image=PNG[:-200]), IMAGE, "cannot be read"),
    "cut jpeg": (asked(image=encoded(gradient(400, 300), "JPEG")[:3000]), IMAGE, "cannot be read.*truncated"),
    "only a signature": (asked(image=PNG[:8]), IMAGE, "cannot be read"),
    "damaged png": (asked(image=PNG[:60] + bytes(200) + PNG[260:]), IMAGE, "cannot be read"),
    "too many bytes": (asked(image=bytes(16 * MIB + 1)), IMAGE, "16777217 bytes.*at most 16777216"),
    "bomb": (asked(image=announcing(60_000, 60_000)), IMAGE, "pixels"),
    "a little too large": (asked(image=announcing(8000, 6000)), IMAGE, "8000 x 6000.*at most 40000000"),
    "a line": (asked(image=encoded(Image.new("L", (5000, 1)))), IMAGE, "5000 x 1.*32 times the other"),
    "no channels": (raw(2, 2, 0), f"{ARRAY}.channels", "is 0, but must be 1, 3 or 4"),
    "no rows": (raw(0, 2, 3), ARRAY, "2 x 0 pixels; each side"),
    "too few values": (raw(2, 2, 3, bytes(11)), f"{ARRAY}.values", "11 bytes.*2 x 2 x 3 = 12"),
    "huge array": (raw(60_000, 60_000, 3), ARRAY, "at most 40000000"),
    "no copies": (noise(samples=0), f"{NOISE}.samples", "is 0, but must be from 1 to 1000"),
    "too many copies": (noise(samples=1001), f"{NOISE}.samples", "is 1001"),
    "no noise": (noise(stdev=0.0), f"{NOISE}.stdev", "is 0.0, but must be above 0"),
    "NaN": (noise(stdev=math.nan), f"{NOISE}.stdev", "is nan"),
    "infinite": (noise(stdev=math.inf), f"{NOISE}.stdev", "is inf"),
    "unknown kind": (noise(kind=9), f"{NOISE}.kind", "no value 9"),
    "unknown class": (
        asked(image=PNG, targets=[{"label": {"name": "cat"}}]),
        f"{FIELD}.targets[0].label",
        "'cat'.*CLASS_0",
    ),
    "no such index": (
        asked(image=PNG, targets=[{"label": {"index": 3}}]),
        f"{FIELD}.targets[0].label",
        "no class 3",
    ),
    "too few labels": (asked(image=PNG, custom_labels=["a"]), f"{FIELD}.custom_labels", "1 labels.*has 3"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_fields_are_named(live_images: LiveServer, case: str) -> None:
    request, field, words = WRONG[case]
    for call in refusals(live_images, request):
        assert call.code() is grpc.StatusCode.INVALID_ARGUMENT
        (violation,) = detail(call, error_details_pb2.BadRequest).field_violations
        assert violation.field == field
        assert re.search(words, violation.description), violation.description


UNFIT = {
    "a token": (asked({"baselines": [{"pad_token": {}}]}), "BASELINE_UNSUPPORTED"),
    "another token": (asked({"baselines": [{"mask_token": {}}]}), "BASELINE_UNSUPPORTED"),
    "an embedding layer": (asked({"embedding_layer": 1}), "EMBEDDING_LAYER_UNSUPPORTED"),
    "a text": (message(model="vit", sequence_classification={"text": "a"}), "EXPLAINER_UNSUPPORTED"),
    "an image for a text model": (
        message(model="bert", image_classification={"image": PNG}),
        "EXPLAINER_UNSUPPORTED",
    ),
}


@pytest.mark.parametrize("case", UNFIT)
def test_what_does_not_fit_the_model_is_refused(live_images: LiveServer, case: str) -> None:
    request, reason = UNFIT[case]
    for call in refusals(live_images, request):
        assert call.code() is grpc.StatusCode.FAILED_PRECONDITION
        assert detail(call, error_details_pb2.ErrorInfo).reason == reason


def test_pixel_values_of_zero_are_the_baseline_by_name_too(image_client: Client) -> None:
    plain, named = (
        image_client.explain("vit", ImageClassification(PNG), n_steps=3, baseline=baseline).targets[0]
        for baseline in (None, "zero_embedding")
    )
    assert named.scores == pytest.approx(plain.scores, abs=1e-6)


def test_the_largest_images_that_are_taken(image_client: Client) -> None:
    noisy = np.random.default_rng(0).integers(0, 256, (2048, 2730, 3), dtype=np.uint8)
    assert 0.99 * 16 * MIB < noisy.nbytes <= 16 * MIB
    assert image_client.explain("vit", ImageClassification(noisy), n_steps=1).targets
    plain = encoded(Image.new("RGB", (8000, 5000)))
    assert image_client.explain("vit", ImageClassification(plain), n_steps=1).targets


def test_the_drop_in_passes_refusals_on(image_client: Client) -> None:
    explainer = ImageClassificationExplainer(image_client, "vit")
    with pytest.raises(InvalidRequestError, match="neither of PNG and JPEG"):
        explainer(b"nothing")
    with pytest.raises(FailedPreconditionError, match="image classifier"):
        image_client.explain("vit", SequenceClassification("a text"))
