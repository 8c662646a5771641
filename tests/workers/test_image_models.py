"""Image models: what is needed to load them, what the probe says, and what a row of theirs costs."""

import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image
from transformers import ImageGPTConfig, ImageGPTForImageClassification, ImageGPTImageProcessorPil

from ligserve.internal.v1.frames_pb2 import ModelSource
from ligserve.server.workers.description import describe
from ligserve.server.workers.engine.pixel_path import PIXELS, PixelPathSpec
from ligserve.server.workers.explainers.inputs.image_input import image_row
from ligserve.server.workers.models.loaded import ImageModel
from ligserve.server.workers.models.loading import ModelLoadError, load_model
from ligserve.server.workers.probes.probe import probed
from tests.conftest import ZooModel
from tests.zoo import IMAGE_ARCHITECTURES


def loaded(directory: Path) -> ImageModel:
    model = load_model(ModelSource(name="m", source=str(directory)), "cpu")
    assert isinstance(model, ImageModel)
    return model


@pytest.mark.parametrize("name", IMAGE_ARCHITECTURES)
def test_every_architecture_works_in_both_conventions(image_model: ZooModel, name: str) -> None:
    model = probed(loaded(image_model(name)))
    assert not model.refusals
    assert type(model.network).__name__ == IMAGE_ARCHITECTURES[name].model.__name__


def test_a_missing_image_processor(image_model: ZooModel, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(image_model("vit"), tmp_path / "copy"))
    (copied / "preprocessor_config.json").unlink()
    with pytest.raises(ModelLoadError, match=r"holds no image processor \(preprocessor_config.json\)"):
        loaded(copied)


def test_a_model_that_sees_no_pixel_values_is_refused_with_the_reason(tmp_path: Path) -> None:
    config = ImageGPTConfig(vocab_size=9, n_positions=64, n_embd=16, n_layer=1, n_head=2)
    ImageGPTForImageClassification(config).save_pretrained(tmp_path)
    clusters = [[i / 4 - 1] * 3 for i in range(8)]
    ImageGPTImageProcessorPil(clusters=clusters, size={"height": 8, "width": 8}).save_pretrained(tmp_path)
    (support,) = describe(probed(loaded(tmp_path))).explainers
    assert not support.conventions
    assert all("its image processor gives no pixel_values" in refusal for refusal in support.refusals)


def test_grey_models_are_given_grey(image_model: ZooModel, tmp_path: Path) -> None:
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessorPil

    settings = IMAGE_ARCHITECTURES["vit"].settings
    ViTForImageClassification(ViTConfig(num_channels=1, **settings)).save_pretrained(tmp_path)
    processor = ViTImageProcessorPil(size={"height": 32, "width": 32}, image_mean=[0.5], image_std=[0.5])
    processor.save_pretrained(tmp_path)
    assert not probed(loaded(tmp_path)).refusals


@pytest.mark.parametrize(("name", "tokens"), [("vit", 16), ("swin", 4), ("convnext", 4), ("resnet", 4)])
def test_a_row_costs_about_its_patches(image_model: ZooModel, name: str, tokens: int) -> None:
    model = loaded(image_model(name))
    row = image_row(model, Image.new("RGB", (50, 40)), library=False)
    spec = PixelPathSpec(model, row, row)
    assert (spec.shape, spec.length, spec.tokens) == ((3, 32, 32), 3072, tokens)


def test_both_ends_of_a_path_are_exact(image_model: ZooModel) -> None:
    model = loaded(image_model("deit"))
    row = image_row(model, Image.new("RGB", (50, 40), (10, 200, 30)), library=True)
    spec = PixelPathSpec(model, row, row)
    ((start, end),) = spec.ends()
    assert not start.any()
    with torch.no_grad():
        assert torch.equal(spec.run([row], [end[None]])[0], spec.predict())


def test_only_an_image_without_a_pixel_stands_still(image_model: ZooModel) -> None:
    model = loaded(image_model("vit"))
    row = image_row(model, Image.new("RGB", (50, 40), (10, 200, 30)), library=True)
    nothing = {**row, PIXELS: torch.zeros_like(row[PIXELS])}
    assert PixelPathSpec(model, nothing, nothing).stands_still
    assert not PixelPathSpec(model, row, row).stands_still


def test_a_noisy_copy_is_no_path_that_is_met_again(image_model: ZooModel) -> None:
    model = loaded(image_model("vit"))
    row = image_row(model, Image.new("RGB", (50, 40), (10, 200, 30)), library=True)
    same = dict(row)
    assert PixelPathSpec(model, row, row).identity == PixelPathSpec(model, same, same).identity
    assert PixelPathSpec(model, row, row).identity is not None
    assert PixelPathSpec(model, dict(row), row).identity is None
