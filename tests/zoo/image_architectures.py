"""The image models that parity and accuracy are tested on: one line each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import transformers as tf
from transformers import PreTrainedConfig, PreTrainedModel

SIDE = 32


@dataclass(frozen=True)
class ImageArchitecture:
    """A family of image models.

    Attributes:
        name: how tests call it.
        config: its configuration class.
        model: its classifier.
        settings: of the configuration.
        processor: makes an image processor of the kind that the family uses.
        patch_size: what the server says of it.
    """

    name: str
    config: Callable[..., PreTrainedConfig]
    model: Callable[[Any], PreTrainedModel]
    settings: Mapping[str, Any]
    processor: Callable[[], Any]
    patch_size: int | None


def _stretched() -> Any:
    return tf.ViTImageProcessorPil(size={"height": SIDE, "width": SIDE})


def _cropped() -> Any:
    crop = {"height": SIDE, "width": SIDE}
    return tf.DeiTImageProcessorPil(size={"height": 36, "width": 36}, crop_size=crop)


def _in_proportion() -> Any:
    return tf.ConvNextImageProcessorPil(size={"shortest_edge": SIDE})


_PLAIN = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "image_size": SIDE,
    "patch_size": 8,
}
_SWIN = {
    "image_size": SIDE,
    "patch_size": 4,
    "embed_dim": 16,
    "depths": [1, 1],
    "num_heads": [2, 2],
    "window_size": 4,
}
# As small as it is made at first, a block's layer scale leaves nothing of the block.
_CONVNEXT = {"hidden_sizes": [8, 16, 16, 32], "depths": [1, 1, 1, 1], "layer_scale_init_value": 1.0}
_RESNET = {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "layer_type": "basic"}

IMAGE_ARCHITECTURES = {
    each.name: each
    for each in (
        ImageArchitecture("vit", tf.ViTConfig, tf.ViTForImageClassification, _PLAIN, _stretched, 8),
        ImageArchitecture(
            "deit", tf.DeiTConfig, tf.DeiTForImageClassificationWithTeacher, _PLAIN, _cropped, 8
        ),
        ImageArchitecture("swin", tf.SwinConfig, tf.SwinForImageClassification, _SWIN, _stretched, 4),
        ImageArchitecture(
            "convnext",
            tf.ConvNextConfig,
            tf.ConvNextForImageClassification,
            _CONVNEXT,
            _in_proportion,
            4,
        ),
        ImageArchitecture(
            "resnet", tf.ResNetConfig, tf.ResNetForImageClassification, _RESNET, _in_proportion, None
        ),
    )
}
