"""FAITHFUL images: the deployed model's probabilities, scores that add up, and noise."""

import io
import itertools
import json
import math
import subprocess
from pathlib import Path

import grpc
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from transformers import AutoImageProcessor, AutoModelForImageClassification, pipeline

from ligserve.client import (
    AsyncClient,
    AsyncImageClassificationExplainer,
    Client,
    EstimateEvent,
    Explanation,
    ImageClassification,
    NoiseKind,
    NoiseTunnel,
)
from ligserve.client.images.sending import ImageLike
from ligserve.v1 import explanation_pb2, explanation_service_pb2
from ligserve.v1.explanation_service_pb2_grpc import ExplanationServiceStub
from tests.conftest import ZooModel
from tests.e2e.test_pairs_and_labels import PROBABILITY_TOLERANCE, SPACES, assert_adds_up
from tests.live_server import COMMAND, LiveServer
from tests.zoo import IMAGE_ARCHITECTURES
from tests.zoo.images import IMAGES, encoded, gradient

TOLERANCE = 0.01


def plain_logits(image_model: ZooModel, name: str, image: Image.Image, labels: int = 3) -> Tensor:
    torch.set_num_threads(1)
    directory = image_model(name, labels)
    model = AutoModelForImageClassification.from_pretrained(directory).eval()
    pixels = AutoImageProcessor.from_pretrained(directory)(image, return_tensors="pt")
    with torch.no_grad():
        logits: Tensor = model(**pixels).logits[0]
    return logits


def assert_predicts(explanation: Explanation, expected: Tensor) -> None:
    assert explanation.prediction is not None
    found = torch.tensor(explanation.prediction.probabilities, dtype=expected.dtype)
    assert (found - expected).abs().max() <= PROBABILITY_TOLERANCE


@pytest.mark.parametrize("name", IMAGE_ARCHITECTURES)
def test_probabilities_are_the_models_and_scores_add_up(
    image_client: Client, image_model: ZooModel, name: str
) -> None:
    for (title, image), space in zip(IMAGES.items(), itertools.cycle(SPACES), strict=False):
        task = ImageClassification(image, targets=[0, "CLASS_1", 2])
        explanation = image_client.explain(name, task, output_space=space, tolerance=TOLERANCE)
        expected = plain_logits(image_model, name, image).softmax(dim=0)
        assert_predicts(explanation, expected)
        assert_adds_up(explanation)
        assert [target.class_index for target in explanation.targets] == [0, 1, 2]
        shape = explanation.image_shape
        assert shape is not None
        assert (shape.channels, shape.height, shape.width) == (3, 32, 32), title
        assert shape.patch_size == IMAGE_ARCHITECTURES[name].patch_size
        assert explanation.cost.points == max(each.points for each in explanation.targets), (
            "targets share a path"
        )
        if space == "probability":
            f_inputs = torch.tensor([target.f_input for target in explanation.targets])
            assert (f_inputs - expected).abs().max() <= PROBABILITY_TOLERANCE


def test_a_single_logit(image_client: Client, image_model: ZooModel) -> None:
    explanation = image_client.explain("vit-1", ImageClassification(IMAGES["shapes"]), tolerance=TOLERANCE)
    assert_predicts(explanation, plain_logits(image_model, "vit", IMAGES["shapes"], 1).sigmoid())
    assert_adds_up(explanation)


def pixels_of(client: Client, image: ImageLike) -> Explanation:
    return client.explain("vit", ImageClassification(image), n_steps=1)


def assert_seen_as(client: Client, sent: ImageLike, expected: Image.Image) -> Explanation:
    """The model sees the same values in both images."""
    found = pixels_of(client, sent)
    assert found.pixel_values == pixels_of(client, encoded(expected)).pixel_values
    return found


ODD = {
    "grey": gradient().convert("L"),
    "bilevel": gradient().convert("1"),
    "palette": gradient().convert("P"),
    "half transparent": gradient(),
    "grey and alpha": gradient().convert("LA"),
}
ODD["half transparent"].putalpha(128)


@pytest.mark.parametrize("kind", ODD)
def test_other_kinds_of_pixels_are_seen_as_by_transformers_pipeline(
    image_client: Client, image_model: ZooModel, kind: str
) -> None:
    image = ODD[kind]
    classify = pipeline("image-classification", model=str(image_model("vit")), device="cpu")
    scores = {each["label"]: each["score"] for each in classify(image.copy())}
    for sent in (image, encoded(image)):
        found = pixels_of(image_client, sent)
        assert_predicts(found, torch.tensor([scores[f"CLASS_{index}"] for index in range(3)]))
        ignored = "TRANSPARENCY_IGNORED" in {warning.code for warning in found.warnings}
        assert ignored == ("A" in image.getbands())


def test_a_photo_is_turned_upright(image_client: Client) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = encoded(gradient(), "JPEG", exif=exif, quality=95)
    upright = Image.open(io.BytesIO(lying)).rotate(-90, expand=True)
    assert_seen_as(image_client, lying, upright)


def test_sixteen_bits_are_scaled_to_eight(image_client: Client) -> None:
    eight = np.asarray(gradient().convert("L"))
    sixteen = Image.fromarray(eight.astype(np.uint16) * 256 + 77)
    assert_seen_as(image_client, encoded(sixteen), Image.fromarray(eight))


def test_arrays_are_images_too(image_client: Client) -> None:
    image = gradient()
    array = np.asarray(image)
    assert_seen_as(image_client, array, image)
    assert_seen_as(image_client, array[:, ::-1], image.transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    assert_seen_as(image_client, array[:, :, 0], image.getchannel("R"))
    assert_seen_as(image_client, np.dstack([array, array[:, :, :1]]), image)


def noisy(kind: NoiseKind, **settings: float) -> ImageClassification:
    samples = int(settings.pop("samples", 6))
    return ImageClassification(IMAGES["shapes"], [0, 1], noise_tunnel=NoiseTunnel(kind, samples, **settings))  # type: ignore[arg-type]


def test_a_mean_of_noisy_copies_adds_up_and_the_rest_does_not(
    image_client: Client, image_model: ZooModel
) -> None:
    answers = {kind: image_client.explain("vit", noisy(kind), tolerance=TOLERANCE) for kind in NoiseKind}
    mean, squares, variance = (answers[kind] for kind in NoiseKind)
    assert_predicts(mean, plain_logits(image_model, "vit", IMAGES["shapes"]).softmax(dim=0))
    for position, target in enumerate(mean.targets):
        change = target.f_input - target.f_baseline
        assert target.stop_reason == "tolerance"
        assert abs(sum(target.scores) - change) <= target.error_bound
        assert target.convergence_delta == pytest.approx(sum(target.scores) - change, abs=1e-9)
        square, spread = (np.array(each.targets[position].scores) for each in (squares, variance))
        assert (square >= 0).all()
        assert square == pytest.approx(spread + np.square(target.scores), abs=1e-7)
        for other in (squares, variance):
            assert math.isnan(other.targets[position].error_bound)
            assert math.isnan(other.targets[position].convergence_delta)
            assert other.targets[position].f_input == pytest.approx(target.f_input, abs=1e-6)
    assert mean.cost.points == mean.targets[0].points >= 6 * 9


def test_noise_has_a_seed_and_a_size(image_client: Client) -> None:
    def scores(**settings: float) -> tuple[float, ...]:
        task = noisy(NoiseKind.SMOOTHGRAD, **settings)
        return image_client.explain("vit", task, n_steps=3).targets[0].scores

    assert scores() == pytest.approx(scores(seed=0), abs=1e-6)
    assert scores() != pytest.approx(scores(seed=1), abs=1e-3)
    plain = image_client.explain("vit", ImageClassification(IMAGES["shapes"], [0]), n_steps=3).targets[0]
    assert scores(stdev=1e-6) == pytest.approx(plain.scores, abs=1e-5)


def test_copies_are_told_as_they_are_done(image_client: Client) -> None:
    task = noisy(NoiseKind.SMOOTHGRAD, samples=40)
    with image_client.stream("vit", task, n_steps=5, estimate_interval=0.0) as stream:
        events = [event for event in stream if isinstance(event, EstimateEvent) and event.target == 0]
    rounds = [event.round for event in events]
    assert rounds == sorted(rounds)
    assert len(rounds) > 2
    assert rounds[-1] == 40
    assert [event.final for event in events].count(True) == 1
    assert stream.result().targets[0].points == 40 * 5


def test_streams_and_unary_answers_are_the_same(image_client: Client) -> None:
    task = ImageClassification(IMAGES["gradient"], [1])
    with image_client.stream("swin", task, tolerance=0.02) as stream:
        streamed = stream.result().targets[0]
    unary = image_client.explain("swin", task, tolerance=0.02).targets[0]
    assert streamed.scores == pytest.approx(unary.scores, abs=1e-6)
    assert unary.score_errors == ()
    assert unary.score_error_sum is not None


def test_messages_stay_small(live_images: LiveServer) -> None:
    question = explanation_pb2.ImageClassification(image=encoded(gradient()))
    request = explanation_service_pb2.ExplainRequest(model="vit", image_classification=question)
    request.options.fixed_steps.n_steps = 2
    with grpc.insecure_channel(live_images.address) as channel:
        stream = ExplanationServiceStub(channel).StreamExplain(
            explanation_service_pb2.StreamExplainRequest(request=request), timeout=30
        )
        messages = list(stream)
    sizes = [len(m.estimate.scores) for m in messages if m.HasField("estimate")]
    assert sum(sizes) == 3 * 32 * 32
    header = next(m.header for m in messages if m.HasField("header"))
    assert not header.pixel_values, "only where they are asked for"


def test_a_model_says_what_can_be_asked_of_it(image_client: Client) -> None:
    for name in IMAGE_ARCHITECTURES:
        (support,) = image_client.model(name).explainers
        assert support.explainer == "image_classification"
        assert support.conventions == ("library", "faithful")
        assert support.baselines == ("zero_embedding",)
        assert (support.embedding_layers, support.refusals) == ((), ())
        assert image_client.model(name).max_tokens is None


async def test_the_async_drop_in(live_images: LiveServer, image_client: Client) -> None:
    async with AsyncClient(live_images.address) as client:
        explainer = AsyncImageClassificationExplainer(client, "deit", "IG")
        scores = await explainer(IMAGES["stripes"], class_name="CLASS_2")
        assert explainer.id2label[explainer.selected_index] == "CLASS_2"
    expected = image_client.explain(
        "deit", ImageClassification(IMAGES["stripes"], [2]), convention="library", n_steps=50
    )
    assert scores == pytest.approx(expected.array().astype(np.float32)[None], abs=1e-6)
    assert explainer.delta == pytest.approx(expected.targets[0].convergence_delta, abs=1e-6)


def test_the_command_line_explains_a_file(live_images: LiveServer, tmp_path: Path) -> None:
    photo, page = tmp_path / "photo.png", tmp_path / "page.html"
    photo.write_bytes(encoded(IMAGES["shapes"]))
    command = [*COMMAND, "explain", "--image", str(photo), "--model", "vit", "--server", live_images.address]
    done = subprocess.run(
        [*command, "--class", "CLASS_1", "--html", str(page)], capture_output=True, text=True, check=True
    )
    assert "why CLASS_1" in done.stdout
    assert "row " in done.stdout
    assert "data:image/png" in page.read_text(encoding="utf-8")
    plain = json.loads(
        subprocess.run([*command, "--json"], capture_output=True, text=True, check=True).stdout
    )
    assert len(plain["targets"][0]["scores"]) == 3 * 32 * 32
    both = subprocess.run([*command, "a text"], capture_output=True, text=True, check=False)
    assert both.returncode == 2
    assert "not both" in both.stderr
