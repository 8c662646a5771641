"""Drop-in replacements for the explainers of transformers-interpret."""

from ligserve.client.explainers.attributions import LIGAttributions
from ligserve.client.explainers.errors import (
    AttributionsNotCalculatedError,
    AttributionTypeNotSupportedError,
    InputIdsNotCalculatedError,
)
from ligserve.client.explainers.image_classification import (
    AsyncImageClassificationExplainer,
    ImageClassificationExplainer,
)
from ligserve.client.explainers.multi_label_classification import (
    AsyncMultiLabelClassificationExplainer,
    MultiLabelClassificationExplainer,
)
from ligserve.client.explainers.pairwise_sequence_classification import (
    AsyncPairwiseSequenceClassificationExplainer,
    PairwiseSequenceClassificationExplainer,
)
from ligserve.client.explainers.question_answering import (
    AsyncQuestionAnsweringExplainer,
    QuestionAnsweringExplainer,
)
from ligserve.client.explainers.sequence_classification import (
    AsyncSequenceClassificationExplainer,
    SequenceClassificationExplainer,
)
from ligserve.client.explainers.token_classification import (
    AsyncTokenClassificationExplainer,
    TokenClassificationExplainer,
)
from ligserve.client.explainers.zero_shot_classification import (
    AsyncZeroShotClassificationExplainer,
    ZeroShotClassificationExplainer,
)

__all__ = [
    "AsyncImageClassificationExplainer",
    "AsyncMultiLabelClassificationExplainer",
    "AsyncPairwiseSequenceClassificationExplainer",
    "AsyncQuestionAnsweringExplainer",
    "AsyncSequenceClassificationExplainer",
    "AsyncTokenClassificationExplainer",
    "AsyncZeroShotClassificationExplainer",
    "AttributionTypeNotSupportedError",
    "AttributionsNotCalculatedError",
    "ImageClassificationExplainer",
    "InputIdsNotCalculatedError",
    "LIGAttributions",
    "MultiLabelClassificationExplainer",
    "PairwiseSequenceClassificationExplainer",
    "QuestionAnsweringExplainer",
    "SequenceClassificationExplainer",
    "TokenClassificationExplainer",
    "ZeroShotClassificationExplainer",
]
