"""What a failed call tells."""

import copy
import pickle
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2
from hypothesis import given
from hypothesis import strategies as st

from ligserve.client import (
    AsyncClient,
    FieldViolation,
    InvalidRequestError,
    LigserveError,
    OverloadedError,
    QuestionAnswering,
    SequenceClassification,
    ServerError,
    TruncatedStreamError,
    UnimplementedError,
)
from ligserve.client.errors import ERROR_CLASSES, from_rpc_error, translate_rpc_errors
from ligserve.client.local_failures import Asked
from tests.client.scripted_server import Refusal, Script

TASK = SequenceClassification("I love you")
# A refusal with OK is no refusal, and the channel retries UNAVAILABLE.
CODES = [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK]


class CallFailed(grpc.RpcError):
    """A failed call as gRPC raises it."""

    def __init__(self, code: grpc.StatusCode, trailing: Any) -> None:
        self._code = code
        self._trailing = trailing

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str | None:
        return None

    def trailing_metadata(self) -> Any:
        return self._trailing


@pytest.mark.parametrize("code", CODES)
async def test_every_code_has_its_class(script: Script, client: AsyncClient, code: grpc.StatusCode) -> None:
    script.refusals = [Refusal(code, "no")] * 5
    with pytest.raises(LigserveError, match=r"^no$") as caught:
        await client.explain("m", TASK, request_id="r")
    assert type(caught.value) is ERROR_CLASSES[code]
    assert (caught.value.code, caught.value.details, caught.value.request_id) == (code, "no", "r")
    assert isinstance(caught.value.__cause__, grpc.RpcError)


async def test_details_are_read(script: Script, client: AsyncClient) -> None:
    bad = error_details_pb2.BadRequest()
    bad.field_violations.add(field="sequence_classification.text", description="must not be empty")
    info = error_details_pb2.ErrorInfo(reason="INVALID_REQUEST", domain="ligserve")
    script.refusals = [Refusal(grpc.StatusCode.INVALID_ARGUMENT, "bad", (info, bad))]
    with pytest.raises(InvalidRequestError) as caught:
        await client.explain("m", TASK)
    violation = FieldViolation("sequence_classification.text", "must not be empty")
    assert caught.value.violations == (violation,)
    assert caught.value.reason == "INVALID_REQUEST"


async def test_the_classes_tell_what_is_theirs(script: Script, client: AsyncClient) -> None:
    retry = error_details_pb2.RetryInfo(retry_delay=Duration(seconds=1, nanos=500_000_000))
    unbuilt = error_details_pb2.ErrorInfo(reason="NOT_BUILT_YET", metadata={"part": "question_answering"})
    internal = error_details_pb2.ErrorInfo(reason="INTERNAL", metadata={"error_id": "e-7"})
    script.refusals = [
        Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "full", (retry,)),
        Refusal(grpc.StatusCode.INTERNAL, "internal error e-7", (internal,)),
        Refusal(grpc.StatusCode.UNIMPLEMENTED, "question_answering is not built yet", (unbuilt,)),
    ]
    with pytest.raises(OverloadedError) as overloaded:
        await client.explain("m", TASK)
    assert overloaded.value.retry_after == 1.5
    with pytest.raises(ServerError) as defect:
        await client.explain("m", TASK)
    assert defect.value.error_id == "e-7"
    with pytest.raises(UnimplementedError, match="not built yet") as lacking:
        await client.explain("m", QuestionAnswering("q", "c"))
    assert lacking.value.part == "question_answering"


async def test_damaged_details_do_not_hide_the_error(script: Script, client: AsyncClient) -> None:
    script.refusals = [Refusal(grpc.StatusCode.UNIMPLEMENTED, "later", packed=b"\xff\x00garbage")]
    with pytest.raises(UnimplementedError, match="later") as caught:
        await client.explain("m", TASK)
    assert (caught.value.reason, caught.value.failure.violations) == (None, ())


async def test_a_message_above_the_limit_is_refused_here(script: Script) -> None:
    async with AsyncClient(script.address, max_message_bytes=1000) as client:
        for text, words in (("x" * 2000, "the request has over 2000"), ("x " * 400, "the answer has 1")):
            with pytest.raises(
                InvalidRequestError, match=f"{words}.*this client's limit.* of 1000"
            ) as caught:
                await client.explain("m", SequenceClassification(text))
            assert [violation.field for violation in caught.value.violations] == ["request"]
            assert "send it in parts" in str(caught.value)


async def test_a_message_above_the_server_s_limit(script: Script, client: AsyncClient) -> None:
    with pytest.raises(InvalidRequestError, match=r"has 50\d+ bytes, above the server's limit of 4194304"):
        await client.explain("m", SequenceClassification("x" * 5_000_000))


async def test_a_queue_that_is_full_is_no_message_that_is_too_large(
    script: Script, client: AsyncClient
) -> None:
    script.refusals = [Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "message larger than max (9 vs. 8)")]
    with pytest.raises(OverloadedError, match="larger than max"):
        await client.explain("m", TASK)


@given(st.binary(max_size=200), st.sampled_from(CODES))
def test_any_bytes_make_an_error_of_the_tree(packed: bytes, code: grpc.StatusCode) -> None:
    error = from_rpc_error(CallFailed(code, (("grpc-status-details-bin", packed),)))
    assert type(error) is ERROR_CLASSES[code]
    assert str(error)


@pytest.mark.parametrize("code", CODES)
async def test_errors_can_be_pickled(script: Script, client: AsyncClient, code: grpc.StatusCode) -> None:
    info = error_details_pb2.ErrorInfo(reason="R", metadata={"part": "x"})
    script.refusals = [Refusal(code, "no", (info,))] * 5
    with pytest.raises(LigserveError) as caught:
        await client.explain("m", TASK)
    read = pickle.loads(pickle.dumps(caught.value))
    assert type(read) is type(caught.value)
    assert (str(read), read.failure) == (str(caught.value), caught.value.failure)
    assert read.failure.metadata == {"part": "x"}


def test_a_pickled_error_keeps_its_message() -> None:
    error = TruncatedStreamError("no summary came")
    assert str(pickle.loads(pickle.dumps(error))) == str(copy.copy(error)) == str(error)


def test_errors_without_a_status_are_translated_too() -> None:
    with pytest.raises(ServerError, match="odd"), translate_rpc_errors(Asked("r")):
        raise grpc.RpcError("odd")
    assert from_rpc_error(CallFailed(grpc.StatusCode.ABORTED, None)).reason is None
