"""Drop-in replacements for the explainers of transformers-interpret."""

from ligserve.client.explainers.attributions import LIGAttributions
from ligserve.client.explainers.errors import (
    AttributionsNotCalculatedError,
    AttributionTypeNotSupportedError,
    InputIdsNotCalculatedError,
)
from ligserve.client.explainers.sequence_classification import (
    AsyncSequenceClassificationExplainer,
    SequenceClassificationExplainer,
)

__all__ = [
    "AsyncSequenceClassificationExplainer",
    "AttributionTypeNotSupportedError",
    "AttributionsNotCalculatedError",
    "InputIdsNotCalculatedError",
    "LIGAttributions",
    "SequenceClassificationExplainer",
]
