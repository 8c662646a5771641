"""Small models with random weights, one per architecture, and tokenizers trained on the spot."""

from tests.zoo.architectures import ARCHITECTURES, Architecture
from tests.zoo.build import build_model
from tests.zoo.image_architectures import IMAGE_ARCHITECTURES

__all__ = ["ARCHITECTURES", "IMAGE_ARCHITECTURES", "Architecture", "build_model"]
