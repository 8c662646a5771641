"""Images on the client's side: what is sent, and what becomes of the scores."""

import base64
import inspect
import io
import itertools
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from transformers_interpret import ImageClassificationExplainer as LibraryExplainer

from ligserve.client import (
    AsyncImageClassificationExplainer,
    AttributionsNotCalculatedError,
    Client,
    Explanation,
    ImageClassification,
    ImageClassificationExplainer,
    ImageShape,
    InputIdsNotCalculatedError,
    MalformedAnswerError,
    NoiseKind,
    NoiseTunnel,
)
from ligserve.client.folding import fold_answer
from ligserve.client.images import sending
from ligserve.client.images.arrays import batch_of_one
from ligserve.client.options import ExplainOptions
from ligserve.client.requests import explain_request
from ligserve.client.types.records import records
from ligserve.v1 import explanation_pb2 as pb
from ligserve.v1 import explanation_service_pb2 as service_pb
from tests.client.test_client_rendering import Reader, shown
from tests.zoo.images import encoded, gradient

SHAPE = ImageShape(3, 5, 7, 2)
SIZE = 3 * 5 * 7
SCORES = np.sin(np.arange(SIZE))


def sent(image: sending.ImageLike) -> pb.ImageClassification:
    return explain_request("m", ImageClassification(image), ExplainOptions()).image_classification


def pixels(message: pb.ImageClassification) -> np.ndarray:
    """What a server would read."""
    if message.WhichOneof("source") == "image":
        return np.asarray(Image.open(io.BytesIO(message.image)))
    array = message.array
    return np.frombuffer(array.values, np.uint8).reshape(array.height, array.width, array.channels)


def test_bytes_are_sent_as_they_are() -> None:
    assert sent(b"whatever").image == sent(bytearray(b"whatever")).image == b"whatever"


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "1", "LA", "P", "CMYK", "YCbCr", "F", "I;16"])
def test_a_pil_image_is_sent_without_a_loss(mode: str) -> None:
    image = Image.new("I;16", (4, 3), 999) if mode == "I;16" else gradient().convert(mode)
    kept = mode in ("L", "RGB", "RGBA", "1", "LA", "P", "I;16")
    found = pixels(sent(image))
    expected = np.asarray(image if kept else image.convert("RGB"))
    assert np.array_equal(found.squeeze(), expected)


def test_an_opened_photo_is_not_turned() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    opened = Image.open(io.BytesIO(encoded(gradient(), "JPEG", exif=exif)))
    assert pixels(sent(opened)).shape == (40, 48, 3)
    palette = gradient().convert("P")
    palette.getexif()[0x0112] = 6
    assert not Image.open(io.BytesIO(sent(palette).image)).getexif()


def test_arrays_are_sent_whatever_their_strides() -> None:
    array = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    for view in (array, array[::-1, ::2], array.transpose(1, 0, 2), array[:, :, :1], array[:, :, 0]):
        assert np.array_equal(pixels(sent(view)).squeeze(), view.squeeze())
    assert sent(memoryview(bytes(6)).cast("B", (1, 2, 3))).array.width == 2


def test_what_is_too_large_to_be_raw_is_sent_as_png(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "MAX_RAW_BYTES", 100)
    array = np.asarray(gradient())
    for image in (array, gradient(), array[:, :, 0]):
        message = sent(image)
        assert message.image.startswith(b"\x89PNG")
        assert np.array_equal(pixels(message), np.asarray(image))


@pytest.mark.parametrize("path", ["photo.jpg", Path("photo.jpg")], ids=repr)
def test_an_image_is_never_a_path(path: Any) -> None:
    with pytest.raises(TypeError, match=r"never as a path.*Path\('photo.jpg'\).read_bytes\(\)"):
        sent(path)


@pytest.mark.parametrize(
    ("image", "error", "words"),
    [
        (np.zeros((4, 4, 3)), TypeError, "holds uint8, 0 to 255; this one holds 'd'"),
        (np.zeros((3, 4, 4), np.uint8)[:, :, :2], ValueError, r"got \(3, 4, 2\)"),
        (np.zeros(4, np.uint8), ValueError, r"got \(4,\)"),
        (np.zeros((1, 4, 4, 3), np.uint8), ValueError, r"got \(1, 4, 4, 3\)"),
        (7, TypeError, "a PIL image or an array of uint8; got int"),
        (None, TypeError, "got NoneType"),
    ],
    ids=["floats", "two channels", "flat", "batch", "number", "none"],
)
def test_what_is_no_image(image: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        sent(image)


def answer(*, pixel_values: bool = True, bound: bool = True) -> service_pb.ExplainResponse:
    """An answer for two targets, by hand."""
    header = service_pb.Header(
        request_id="r",
        model="vit",
        prediction=service_pb.Prediction(
            labels=["cat", "dog"],
            probabilities=[0.25, 0.75],
            logits=[0, 1],
            predicted_index=1,
            predicted_label="dog",
        ),
        windows=[service_pb.Window()],
        targets=[service_pb.Target(class_index=1, class_label="dog"), service_pb.Target(class_label="cat")],
        image_shape=service_pb.ImageShape(channels=3, height=5, width=7, patch_size=2),
        pixel_values=np.linspace(-1, 1, SIZE) if pixel_values else [],
    )
    whole = service_pb.ExplainResponse(header=header)
    for target, sign in enumerate((1, -1)):
        whole.estimates.add(target=target, scores=sign * SCORES, final=True, error_bound=0.1)
        summary = whole.summary.targets.add(target=target, f_input=0.75, score_sum=sign * SCORES.sum())
        if bound:
            summary.convergence_delta, summary.error_bound = 0.01, 0.1
    return whole


def explained(**options: bool) -> Explanation:
    return fold_answer(answer(**options), ())


def test_patches_are_sums_over_squares() -> None:
    explanation = explained()
    plane = SCORES.reshape(3, 5, 7).sum(axis=0)
    patches = explanation.patches()
    assert len(patches) == 3 * 4
    for patch in patches:
        assert (patch.top, patch.left) == (2 * patch.row, 2 * patch.column)
        assert patch.score == pytest.approx(plane[patch.top : patch.bottom, patch.left : patch.right].sum())
    assert (patches[-1].bottom, patches[-1].right) == (5, 7)
    for size, count in ((None, 12), (1, 35), (3, 6), (100, 1)):
        sums = [patch.score for patch in explanation.patches(size=size)]
        assert len(sums) == count
        assert sum(sums) == pytest.approx(SCORES.sum())
    top = explanation.top_patches(3, target=1)
    assert [abs(patch.score) for patch in top] == sorted((abs(p.score) for p in patches), reverse=True)[:3]
    for wrong in (0, -1):
        with pytest.raises(ValueError, match="size must be"):
            explanation.patches(size=wrong)
    with pytest.raises(ValueError, match="k must be"):
        explanation.top_patches(-1)
    assert np.array(explanation.pixels(1)) == pytest.approx(-plane)
    assert explanation.array(1) == pytest.approx(-SCORES.reshape(3, 5, 7))
    assert explanation.top() == explanation.words() == ()


def test_an_explanation_of_an_image_can_be_kept_as_json() -> None:
    plain = json.loads(json.dumps(explained(bound=False).to_dict()))
    target = plain["targets"][0]
    assert target["patches"][0] == {
        "row": 0,
        "column": 0,
        "top": 0,
        "left": 0,
        "bottom": 2,
        "right": 2,
        "score": pytest.approx(explained().patches()[0].score),
    }
    assert "words" not in target
    assert target["error_bound"] is None
    assert plain["image_shape"]["patch_size"] == 2


def test_pixel_values_that_do_not_fit_the_shape_are_refused() -> None:
    broken = answer()
    broken.header.pixel_values.append(0)
    with pytest.raises(MalformedAnswerError, match="pixel values do not fill"):
        fold_answer(broken, ())


def pictures(html: str) -> list[Image.Image]:
    starts = html.split('src="data:image/png;base64,')[1:]
    return [Image.open(io.BytesIO(base64.b64decode(start.partition('"')[0]))) for start in starts]


@pytest.mark.parametrize("with_pixels", [True, False])
def test_a_page_shows_the_scores_over_the_image(tmp_path: Path, with_pixels: bool) -> None:
    explanation = explained(pixel_values=with_pixels)
    explanation.save_html(tmp_path / "page.html")
    html = (tmp_path / "page.html").read_text()
    assert Reader(html).tags.count("img") == 2
    first, second = (np.asarray(picture, dtype=int) for picture in pictures(html))
    assert first.shape == (5 * 45, 7 * 45, 3), "small images are enlarged"
    plane = SCORES.reshape(3, 5, 7).sum(axis=0)
    place = np.unravel_index(plane.argmax(), plane.shape)
    row, column = (45 * int(index) + 20 for index in place)
    green, red = first[row, column], second[row, column]
    assert green[1] > green[0] + 40, "in favour of the first target"
    assert red[0] > red[1] + 40, "and against the second"


def test_a_picture_of_nothing_is_drawn(recwarn: pytest.WarningsRecorder) -> None:
    empty = answer()
    for estimate in empty.estimates:
        estimate.scores[:] = [0.0] * SIZE
    empty.header.pixel_values[:] = [0.5] * SIZE
    assert len(pictures(fold_answer(empty, ()).html())) == 2
    assert not recwarn.list


@pytest.mark.parametrize(("module", "package"), [("numpy", "numpy"), ("PIL.Image", "Pillow")])
def test_without_its_packages_a_page_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, module: str, package: str
) -> None:
    explanation = explained()
    monkeypatch.setitem(sys.modules, module, None)
    html = explanation.html()
    assert not pictures(html)
    assert f"no picture: this needs {package}: pip install 'ligserve[image]'" in Reader(html).text
    assert explanation.patches()


def test_without_numpy_scores_are_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    arrays = batch_of_one(SHAPE, tuple(SCORES))
    assert (arrays.shape, arrays.dtype) == ((1, 3, 5, 7), np.float32)
    monkeypatch.setitem(sys.modules, "numpy", None)
    lists = batch_of_one(SHAPE, tuple(SCORES))
    with pytest.raises(ImportError, match=r"needs numpy: pip install 'ligserve\[image\]'"):
        explained().array()
    monkeypatch.undo()
    assert isinstance(lists, list)
    assert np.array(lists, dtype=np.float32) == pytest.approx(arrays)


def test_a_terminal_shows_the_strongest_patches() -> None:
    output = shown(explained())
    best = explained().top_patches(1)[0]
    assert f"row {best.row}, column {best.column}" in output
    assert f"{best.score:+.4f}" in output
    assert "do not add up" in shown(explained(bound=False))


def test_the_signature_is_the_library_s() -> None:
    def positional(function: Any) -> list[tuple[str, Any]]:
        parameters = inspect.signature(function).parameters.values()
        return [(p.name, p.default) for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]

    ours = positional(ImageClassificationExplainer.__call__)
    assert ours == positional(LibraryExplainer.__call__)
    assert ours == positional(AsyncImageClassificationExplainer.__call__)
    assert positional(ImageClassificationExplainer.visualize) == positional(LibraryExplainer.visualize)
    built = [positional(kind.__init__)[3:] for kind in (ImageClassificationExplainer, LibraryExplainer)]
    assert built[0] == built[1] == [("attribution_type", "IGNT"), ("custom_labels", None)]


def test_wrong_arguments_are_refused_before_anything_is_sent() -> None:
    with Client() as client:
        with pytest.raises(ValueError, match="Attribution type lig not supported"):
            ImageClassificationExplainer(client, "vit", "lig")
        explainer = ImageClassificationExplainer(client, "vit")
        with pytest.raises(ValueError, match="noise_tunnel_type must be one of smoothgrad, smoothgrad_sq"):
            explainer(b"", noise_tunnel_type="other")
        with pytest.raises(TypeError, match="n_steps_noise_tunnel must be an int"):
            explainer(b"", n_steps_noise_tunnel=1.5)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="not both"):
            explainer(b"", n_steps=3, tolerance=0.1)
        with pytest.raises(AttributionsNotCalculatedError):
            explainer.visualize()
        for attribute in ("predicted_index", "selected_index", "delta"):
            with pytest.raises(InputIdsNotCalculatedError):
                getattr(explainer, attribute)
        assert explainer.attributions is None


@pytest.mark.parametrize("option", [{"method": "photo"}, {"sign": "both"}])
def test_unknown_ways_to_draw(option: dict[str, Any]) -> None:
    with Client() as client:
        explainer = ImageClassificationExplainer(client, "vit")
        explainer.explanation = explained()
        with pytest.raises(ValueError, match="must be one of the following"):
            explainer.visualize(**option)


@pytest.mark.parametrize("image", [encoded(gradient(7, 5)), gradient(7, 5), np.asarray(gradient(7, 5))])
def test_figures_can_be_drawn_over_any_kind_of_image(image: Any) -> None:
    with Client() as client:
        explainer = ImageClassificationExplainer(client, "vit")
    explainer.explanation, explainer._image = explained(), image
    drawn = [explainer.visualize()[1].get_images()[0].get_array() for _ in range(2)]
    expected = np.asarray(gradient(7, 5)).mean(axis=2)
    assert all(np.array_equal(each, expected) for each in drawn)


def test_without_matplotlib_figures_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    with Client() as client:
        explainer = ImageClassificationExplainer(client, "vit")
    explainer.explanation, explainer._image = explained(), gradient()
    for module in ("matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=r"needs matplotlib: pip install 'ligserve\[image\]'"):
        explainer.visualize()


def test_records_are_patches() -> None:
    rows = records(explained())
    assert len(rows) == 2 * 12
    assert list(itertools.islice(rows[0], 3)) == ["target", "row", "column"]


def test_a_noise_tunnel_takes_the_name_of_its_kind() -> None:
    assert NoiseTunnel("vargrad") == NoiseTunnel(NoiseKind.VARGRAD)
    with pytest.raises(ValueError, match="kind must be one of smoothgrad"):
        NoiseTunnel("nope")
