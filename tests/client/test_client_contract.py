"""Lists that go stale make these tests fail."""

import dataclasses
import subprocess
import sys

import grpc
import pytest

import ligserve.client
from ligserve.client import AsyncClient, Client, ExplainOptions, LigserveError
from ligserve.client.errors import ERROR_CLASSES
from ligserve.client.options import ExplainKeywords
from ligserve.v1 import explanation_service_pb2, model_service_pb2

# Every RPC of the public interface, with the method that calls it.
METHODS = {
    "Explain": "explain",
    "StreamExplain": "stream",
    "EstimateCost": "estimate_cost",
    "ListModels": "models",
    "GetModel": "model",
}

PUBLIC_NAMES = [
    "AsyncQuestionAnsweringExplainer",
    "AsyncTokenClassificationExplainer",
    "QuestionAnsweringExplainer",
    "TokenClassificationExplainer",
    "Combine",
    "LabelledSpan",
    "AsyncImageClassificationExplainer",
    "AsyncMultiLabelClassificationExplainer",
    "AsyncPairwiseSequenceClassificationExplainer",
    "AsyncZeroShotClassificationExplainer",
    "ImageClassificationExplainer",
    "MultiLabelClassificationExplainer",
    "PairwiseSequenceClassificationExplainer",
    "ZeroShotClassificationExplainer",
    "Accuracy",
    "Aggregate",
    "Answer",
    "AnswerEnd",
    "AsyncClient",
    "AsyncExplanationStream",
    "AsyncSequenceClassificationExplainer",
    "AttributionTypeNotSupportedError",
    "AttributionsNotCalculatedError",
    "AuthenticationError",
    "BaselineKind",
    "CallCancelledError",
    "ClassTarget",
    "Client",
    "ClientClosedError",
    "Convention",
    "Cost",
    "CostEstimate",
    "ExpectedCost",
    "DEFAULT_SERVER",
    "DEFAULT_TIMEOUT_S",
    "DeadlineExceededError",
    "Document",
    "DocumentWindow",
    "EmbeddingLayer",
    "EstimateEvent",
    "Event",
    "ExplainOptions",
    "ExplainerSupport",
    "Explanation",
    "ExplanationStream",
    "FailedPreconditionError",
    "FieldViolation",
    "HeaderEvent",
    "Html",
    "ImageClassification",
    "ImageShape",
    "InputIdsNotCalculatedError",
    "InvalidRequestError",
    "LIGAttributions",
    "Level",
    "LigserveError",
    "LongInputPolicy",
    "LongInputSupport",
    "MalformedAnswerError",
    "Model",
    "ModelNotFoundError",
    "MultiLabelClassification",
    "NoiseKind",
    "NoiseTunnel",
    "NotFoundError",
    "OutputSpace",
    "OverloadedError",
    "PairwiseSequenceClassification",
    "Patch",
    "PermissionDeniedError",
    "Prediction",
    "Precision",
    "ProgressEvent",
    "QuadratureRule",
    "QuestionAnswering",
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
    "TruncatedStreamError",
    "UnimplementedError",
    "Window",
    "Word",
    "Worker",
    "ZeroShotClassification",
]


def test_public_names_are_pinned() -> None:
    assert sorted(ligserve.client.__all__) == sorted(PUBLIC_NAMES)
    assert all(hasattr(ligserve.client, name) for name in PUBLIC_NAMES)


def test_errors_do_not_shadow_builtins() -> None:
    builtins = set(dir(__builtins__) if not isinstance(__builtins__, dict) else __builtins__)
    assert not builtins & set(PUBLIC_NAMES)


@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_every_rpc_has_a_method(client: type) -> None:
    services = [
        *explanation_service_pb2.DESCRIPTOR.services_by_name.values(),
        *model_service_pb2.DESCRIPTOR.services_by_name.values(),
    ]
    rpcs = {method.name for service in services for method in service.methods}
    assert rpcs == set(METHODS)
    assert all(callable(getattr(client, method)) for method in METHODS.values())


def test_every_status_code_has_a_class() -> None:
    assert set(ERROR_CLASSES) == set(grpc.StatusCode)
    assert all(issubclass(kind, LigserveError) for kind in ERROR_CLASSES.values())


def test_keywords_are_the_options() -> None:
    fields = [field.name for field in dataclasses.fields(ExplainOptions)]
    assert list(ExplainKeywords.__annotations__) == fields


def test_the_light_client_loads_nothing_heavy() -> None:
    heavy = "{'torch', 'numpy', 'captum', 'transformers', 'pandas', 'ligserve.server'}"
    code = f"import sys, ligserve.client; print(sorted({heavy} & set(sys.modules)))"
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert run.stdout.strip() == "[]"
