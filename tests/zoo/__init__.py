"""Small models with random weights, one per architecture, and tokenizers trained on the spot."""

from tests.zoo.architectures import ARCHITECTURES, Architecture
from tests.zoo.build import build_model

__all__ = ["ARCHITECTURES", "Architecture", "build_model"]
