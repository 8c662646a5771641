"""Images made on the spot, and image models that tell them apart."""

import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import nn

from tests.zoo.build import INITIALIZER_RANGE
from tests.zoo.image_architectures import ImageArchitecture

BIAS_RANGE = 0.3
# Predictions differ, and are neither flat nor saturated.
LOGIT_SPREAD = 1.0


def gradient(width: int = 48, height: int = 40) -> Image.Image:
    """Colours that run into each other."""
    rows, columns = np.mgrid[0:height, 0:width]
    channels = (255 * columns / width, 255 * rows / height, (rows * columns) % 256)
    return Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8))


def shapes(width: int = 64, height: int = 36) -> Image.Image:
    """A disc and a bar on a plain ground."""
    image = Image.new("RGB", (width, height), (30, 60, 120))
    draw = ImageDraw.Draw(image)
    draw.ellipse((5, 5, 28, 28), fill=(220, 40, 30))
    draw.rectangle((40, 8, 55, 30), fill=(240, 240, 60))
    return image


def stripes(width: int = 33, height: int = 57) -> Image.Image:
    """Dark and light bars."""
    image = Image.new("RGB", (width, height), "white")
    for left in range(0, width, 8):
        image.paste((10, 10, 10), (left, 0, left + 4, height))
    return image


IMAGES = {"gradient": gradient(), "shapes": shapes(), "stripes": stripes()}


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """The image as a file."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def build_image_model(
    architecture: ImageArchitecture, directory: Path, *, num_labels: int = 3, seed: int = 7
) -> Path:
    """Write a classifier with random weights and its image processor; returns the directory."""
    names = [f"CLASS_{index}" for index in range(num_labels)]
    config = architecture.config(
        num_labels=num_labels,
        initializer_range=INITIALIZER_RANGE,
        id2label=dict(enumerate(names)),
        label2id={name: index for index, name in enumerate(names)},
        **architecture.settings,
    )
    torch.manual_seed(seed)
    model, processor = architecture.model(config).eval(), architecture.processor()
    _fill_zeros(model)
    _sharpen(model, processor, num_labels)
    model.save_pretrained(directory)
    processor.save_pretrained(directory)
    return directory


@torch.no_grad()
def _fill_zeros(model: nn.Module) -> None:
    """Biases and positions start as zeros, which training changes.

    As zeros they leave a layer norm nothing but zeros for an image of zeros, the baseline: its slope there is
    that of no real model.
    """
    for parameter in model.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=BIAS_RANGE)


@torch.no_grad()
def _sharpen(model: nn.Module, processor: object, num_labels: int) -> None:
    """Scale and centre the heads so that logits spread over the images."""
    heads = [m for m in model.modules() if isinstance(m, nn.Linear) and m.out_features == num_labels]
    pixels = torch.cat([processor(image, return_tensors="pt")["pixel_values"] for image in IMAGES.values()])  # type: ignore[operator]
    logits = model(pixel_values=pixels).logits
    scale = LOGIT_SPREAD / logits.std(dim=0, keepdim=True).clamp(min=1e-6)
    for head in heads:
        head.weight.mul_(scale.T)
        head.bias.copy_(scale[0] * (head.bias - logits.mean(dim=0)))
