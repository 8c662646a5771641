"""The image drop-in against the installed transformers-interpret, side by side, ours over a real wire.

The library explains the predicted class where index 0 or a name is asked for; ours explains what is asked.
"""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from transformers import AutoImageProcessor, AutoModelForImageClassification
from transformers_interpret import ImageClassificationExplainer as LibraryExplainer

from ligserve.client import Client, ImageClassificationExplainer
from tests.conftest import ZooModel
from tests.parity.library import TOLERANCE
from tests.zoo import IMAGE_ARCHITECTURES
from tests.zoo.images import IMAGES

NOISE_KINDS = ("smoothgrad", "smoothgrad_sq", "vargrad")
METHODS = ("overlay", "heatmap", "alpha_scaling", "masked_image")


class Transformers4Processor:
    """An image processor that resizes PIL images to a tuple of sides, as those of transformers 4 did.

    The library's visualize() counts on it; with those of transformers 5 it fails.
    """

    def __init__(self, processor: Any) -> None:
        self._processor = processor

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self._processor(*arguments, **options)

    def resize(self, image: Image.Image, size: tuple[int, int]) -> Image.Image:
        return image.resize(size, Image.Resampling.BILINEAR)


def library(directory: Path, kind: str, **arguments: Any) -> Any:
    torch.set_num_threads(1)
    model = AutoModelForImageClassification.from_pretrained(directory).eval()
    processor = Transformers4Processor(AutoImageProcessor.from_pretrained(directory))
    return LibraryExplainer(model, processor, kind, **arguments)


def both(
    client: Client, image_model: ZooModel, name: str, kind: str, **arguments: Any
) -> tuple[ImageClassificationExplainer, Any]:
    ours = ImageClassificationExplainer(client, name, kind, **arguments)
    return ours, library(image_model(name), kind, **arguments)


def assert_same(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> None:
    assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
    largest = np.abs(theirs).max()
    assert largest > 0
    assert np.abs(ours - theirs).max() <= min(TOLERANCE, 1e-3 * largest)


@pytest.mark.parametrize("name", IMAGE_ARCHITECTURES)
def test_integrated_gradients(image_client: Client, image_model: ZooModel, name: str) -> None:
    ours, theirs = both(image_client, image_model, name, "IG")
    for image in IMAGES.values():
        assert_same(ours(image), theirs(image))
        assert ours.predicted_index == theirs.predicted_index
        assert ours.selected_index == theirs.selected_index
        assert np.abs(ours.inputs - theirs.inputs).max() == 0
        assert ours.attributions.shape == theirs.attributions.shape
    image = IMAGES["shapes"]
    for index in (1, 2):
        assert_same(ours(image, index=index, n_steps=20), theirs(image, index=index, n_steps=20))
        assert ours.selected_index == theirs.selected_index == index
    assert ours.n_steps == theirs.n_steps == 20, "steps stick"


@pytest.mark.parametrize("noise", NOISE_KINDS)
@pytest.mark.parametrize("name", IMAGE_ARCHITECTURES)
def test_noise_tunnel_with_the_same_seed(
    image_client: Client, image_model: ZooModel, name: str, noise: str
) -> None:
    ours, theirs = both(image_client, image_model, name, "IGNT")
    for image in (IMAGES["gradient"], IMAGES["stripes"]):
        torch.manual_seed(17)
        expected = theirs(image, noise_tunnel_type=noise)
        assert_same(ours(image, noise_tunnel_type=noise, seed=17), expected)
    torch.manual_seed(2**63)
    options: dict[str, Any] = {
        "n_steps_noise_tunnel": 3,
        "noise_tunnel_n_samples": 35,
        "noise_tunnel_type": noise,
    }
    assert_same(ours(image, seed=2**63, **options), theirs(image, **options))
    for attribute in ("n_steps_noise_tunnel", "noise_tunnel_n_samples", "noise_tunnel_type"):
        assert getattr(ours, attribute) == getattr(theirs, attribute)


def test_custom_labels(image_client: Client, image_model: ZooModel) -> None:
    labels = ["cat", "dog", "bird"]
    ours, theirs = both(image_client, image_model, "vit", "IG", custom_labels=labels)
    assert_same(ours(IMAGES["shapes"]), theirs(IMAGES["shapes"]))
    assert (ours.id2label, ours.label2id) == (theirs.id2label, theirs.label2id)
    for explainer in (ours, theirs):
        with pytest.raises(KeyError, match="fish"):
            explainer(IMAGES["shapes"], class_name="fish")
    with pytest.raises(ValueError, match="should match pretrained model's label2id size"):
        ImageClassificationExplainer(image_client, "vit", custom_labels=["a"])


@pytest.mark.parametrize("kind", ["IG", "IGNT"])
def test_index_0_and_class_names_are_explained_here(
    image_client: Client, image_model: ZooModel, kind: str
) -> None:
    ours, theirs = both(image_client, image_model, "vit", kind)
    image = next(image for image in IMAGES.values() if ours(image) is not None and ours.predicted_index)
    torch.manual_seed(0)
    theirs(image, index=0)
    assert theirs.selected_index == theirs.predicted_index != 0
    # A class before the first makes the library explain class 0 after all.
    theirs.predicted_index = 0
    torch.manual_seed(0)
    theirs.inputs = torch.from_numpy(theirs.inputs)
    expected = theirs._calculate_attributions(None, 0)
    assert_same(ours(image, index=0), expected)
    assert_same(ours(image, class_name="CLASS_0"), expected)
    assert ours.selected_index == 0


def drawn(axis: Any) -> list[NDArray[np.float64]]:
    """What the images on an axis look like, in the colours that reach the screen."""
    found = []
    for image in axis.get_images():
        array = image.get_array()
        colours = image.to_rgba(array, alpha=image.get_alpha()) if array.ndim == 2 else array
        found.append(np.asarray(colours, dtype=np.float64))
    return found


@pytest.mark.parametrize("original", [True, False])
@pytest.mark.parametrize("sign", ["all", "positive", "negative", "absolute"])
@pytest.mark.parametrize("method", METHODS)
def test_figures(
    image_client: Client, image_model: ZooModel, tmp_path: Path, method: str, sign: str, original: bool
) -> None:
    ours, theirs = both(image_client, image_model, "vit", "IG")
    for explainer in (ours, theirs):
        explainer(IMAGES["shapes"], n_steps=10)
    for side_by_side in (False, True):
        options: dict[str, Any] = {
            "method": method,
            "sign": sign,
            "outlier_threshold": 0.2,
            "use_original_image_pixels": original,
            "side_by_side": side_by_side,
        }
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            figure, axes = ours.visualize(tmp_path / "ours.png", **options)
            their_figure, their_axes = theirs.visualize(str(tmp_path / "theirs.png"), **options)
        pairs = zip(axes, their_axes, strict=True) if side_by_side else [(axes, their_axes)]
        for axis, their_axis in pairs:
            assert axis.get_title() == their_axis.get_title()
            for array, their_array in zip(drawn(axis), drawn(their_axis), strict=True):
                assert array.shape == their_array.shape
                assert np.abs(array - their_array).max() <= 0.01 * max(1.0, np.abs(their_array).max())
        assert len(figure.axes) == len(their_figure.axes)
        mine, their_file = (
            np.asarray(Image.open(tmp_path / name), dtype=int) for name in ("ours.png", "theirs.png")
        )
        assert mine.shape == their_file.shape
        assert np.abs(mine - their_file).mean() < 1


def test_one_sign_is_drawn_where_two_cannot(image_client: Client) -> None:
    ours = ImageClassificationExplainer(image_client, "vit", "IG")
    ours(IMAGES["shapes"], n_steps=5)
    with pytest.warns(UserWarning, match="Changing sign to default 'positive'"):
        ours.visualize(method="masked_image")
