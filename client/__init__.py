"""The Python client of ligserve; it needs no torch.

    from ligserve.client import Client, SequenceClassification

    with Client("127.0.0.1:50051") as client:
        explanation = client.explain("sentiment", SequenceClassification("I love you, I like you"))
        explanation.print()
        for word in explanation.top(3):
            print(word.text, word.score)

`AsyncClient` has the same methods to be awaited. Users of transformers-interpret construct a
`SequenceClassificationExplainer(client, "sentiment")` in place of `(model, tokenizer)`, and likewise for
pairs, multi-label, zero-shot and token classification, and for question answering. Errors are drawn in
`ligserve.client.errors`.
"""

from ligserve.client.aio import AsyncClient
from ligserve.client.aio_stream import AsyncExplanationStream
from ligserve.client.channel import DEFAULT_SERVER, DEFAULT_TIMEOUT_S, TlsConfig
from ligserve.client.classes import ClassTarget
from ligserve.client.errors import (
    AuthenticationError,
    CallCancelledError,
    ClientClosedError,
    DeadlineExceededError,
    FailedPreconditionError,
    InvalidRequestError,
    LigserveError,
    MalformedAnswerError,
    ModelNotFoundError,
    NotFoundError,
    OverloadedError,
    PermissionDeniedError,
    ServerError,
    ServerUnavailableError,
    TruncatedStreamError,
    UnimplementedError,
)
from ligserve.client.explainers import (
    AsyncImageClassificationExplainer,
    AsyncMultiLabelClassificationExplainer,
    AsyncPairwiseSequenceClassificationExplainer,
    AsyncQuestionAnsweringExplainer,
    AsyncSequenceClassificationExplainer,
    AsyncTokenClassificationExplainer,
    AsyncZeroShotClassificationExplainer,
    AttributionsNotCalculatedError,
    AttributionTypeNotSupportedError,
    ImageClassificationExplainer,
    InputIdsNotCalculatedError,
    LIGAttributions,
    MultiLabelClassificationExplainer,
    PairwiseSequenceClassificationExplainer,
    QuestionAnsweringExplainer,
    SequenceClassificationExplainer,
    TokenClassificationExplainer,
    ZeroShotClassificationExplainer,
)
from ligserve.client.failures import FieldViolation
from ligserve.client.image_task import ImageClassification, NoiseTunnel
from ligserve.client.options import ExplainOptions, ReferenceText, Window
from ligserve.client.rendering.html import Html
from ligserve.client.sync import Client
from ligserve.client.sync_stream import ExplanationStream
from ligserve.client.tasks import (
    MultiLabelClassification,
    PairwiseSequenceClassification,
    QuestionAnswering,
    SequenceClassification,
    Task,
    TokenClassification,
    ZeroShotClassification,
)
from ligserve.client.types.cost import Cost, Worker
from ligserve.client.types.document import Document, DocumentWindow
from ligserve.client.types.entities import LabelledSpan
from ligserve.client.types.enums import (
    Accuracy,
    Aggregate,
    AnswerEnd,
    BaselineKind,
    Combine,
    Convention,
    EmbeddingLayer,
    Level,
    LongInputPolicy,
    NoiseKind,
    OutputSpace,
    Precision,
    QuadratureRule,
    StopReason,
)
from ligserve.client.types.estimate import CostEstimate, ExpectedCost
from ligserve.client.types.events import (
    EstimateEvent,
    Event,
    HeaderEvent,
    ProgressEvent,
    SummaryEvent,
)
from ligserve.client.types.explanation import Explanation
from ligserve.client.types.inputs import Answer, ImageShape, Prediction, ServerWarning, Token
from ligserve.client.types.models import ExplainerSupport, LongInputSupport, Model
from ligserve.client.types.patches import Patch
from ligserve.client.types.targets import Target, TargetExplanation, TargetSummary
from ligserve.client.types.words import Word

__all__ = [
    "DEFAULT_SERVER",
    "DEFAULT_TIMEOUT_S",
    "Accuracy",
    "Aggregate",
    "Answer",
    "AnswerEnd",
    "AsyncClient",
    "AsyncExplanationStream",
    "AsyncImageClassificationExplainer",
    "AsyncMultiLabelClassificationExplainer",
    "AsyncPairwiseSequenceClassificationExplainer",
    "AsyncQuestionAnsweringExplainer",
    "AsyncSequenceClassificationExplainer",
    "AsyncTokenClassificationExplainer",
    "AsyncZeroShotClassificationExplainer",
    "AttributionTypeNotSupportedError",
    "AttributionsNotCalculatedError",
    "AuthenticationError",
    "BaselineKind",
    "CallCancelledError",
    "ClassTarget",
    "Client",
    "ClientClosedError",
    "Combine",
    "Convention",
    "Cost",
    "CostEstimate",
    "DeadlineExceededError",
    "Document",
    "DocumentWindow",
    "EmbeddingLayer",
    "EstimateEvent",
    "Event",
    "ExpectedCost",
    "ExplainOptions",
    "ExplainerSupport",
    "Explanation",
    "ExplanationStream",
    "FailedPreconditionError",
    "FieldViolation",
    "HeaderEvent",
    "Html",
    "ImageClassification",
    "ImageClassificationExplainer",
    "ImageShape",
    "InputIdsNotCalculatedError",
    "InvalidRequestError",
    "LIGAttributions",
    "LabelledSpan",
    "Level",
    "LigserveError",
    "LongInputPolicy",
    "LongInputSupport",
    "MalformedAnswerError",
    "Model",
    "ModelNotFoundError",
    "MultiLabelClassification",
    "MultiLabelClassificationExplainer",
    "NoiseKind",
    "NoiseTunnel",
    "NotFoundError",
    "OutputSpace",
    "OverloadedError",
    "PairwiseSequenceClassification",
    "PairwiseSequenceClassificationExplainer",
    "Patch",
    "PermissionDeniedError",
    "Precision",
    "Prediction",
    "ProgressEvent",
    "QuadratureRule",
    "QuestionAnswering",
    "QuestionAnsweringExplainer",
    "ReferenceText",
    "SequenceClassification",
    "SequenceClassificationExplainer",
    "ServerError",
    "ServerUnavailableError",
    "ServerWarning",
    "StopReason",
    "SummaryEvent",
    "Target",
    "TargetExplanation",
    "TargetSummary",
    "Task",
    "TlsConfig",
    "Token",
    "TokenClassification",
    "TokenClassificationExplainer",
    "TruncatedStreamError",
    "UnimplementedError",
    "Window",
    "Word",
    "Worker",
    "ZeroShotClassification",
    "ZeroShotClassificationExplainer",
]
