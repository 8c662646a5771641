"""Image classification in the matrix."""

from functools import partial
from pathlib import Path
from typing import Any

import torch
import transformers_interpret as library
from torch import Tensor
from transformers import AutoImageProcessor, AutoModelForImageClassification

from ligserve import client
from tests.matrix.column import Column, Question, Scores
from tests.zoo import IMAGE_ARCHITECTURES
from tests.zoo.images import IMAGES, build_image_model

IMAGE = IMAGES["shapes"]
# Integrated gradients alone; the noise tunnel's noise is compared in tests/parity.
KIND = "IG"


def _parts(directory: Path) -> tuple[Any, Any]:
    torch.set_num_threads(1)
    model = AutoModelForImageClassification.from_pretrained(directory).eval()
    return model, AutoImageProcessor.from_pretrained(directory)


def _probabilities(directory: Path) -> Tensor:
    model, processor = _parts(directory)
    with torch.no_grad():
        logits: Tensor = model(**processor(IMAGE, return_tensors="pt")).logits
    return logits[0].softmax(dim=0)


def _pixels(answer: Any) -> Scores:
    return [[(str(place), float(score)) for place, score in enumerate(answer.flatten())]]


IMAGE_COLUMN = Column(
    title="images",
    explainer="image_classification",
    questions=(Question(client.ImageClassification(IMAGE), _probabilities),),
    drop_in=partial(client.ImageClassificationExplainer, attribution_type=KIND),
    library=lambda directory: library.ImageClassificationExplainer(*_parts(directory), KIND),
    arguments=(IMAGE,),
    scores=_pixels,
    architectures=IMAGE_ARCHITECTURES,
    build=build_image_model,
    differing=lambda directory, task: [],
    output="output",
)
