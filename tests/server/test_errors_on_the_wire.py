"""Every error code, as a caller of any language sees it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest
from google.rpc import error_details_pb2, status_pb2

from ligserve.server.errors import FieldViolation, InvalidArgumentError, ServeError
from ligserve.server.interceptors.status import MAX_DETAILS_BYTES, to_status, trailing_metadata
from ligserve.v1 import explanation_pb2 as explanation
from ligserve.v1 import explanation_service_pb2 as pb
from ligserve.v1 import model_service_pb2 as model_pb
from tests.server.front_harness import Front, ask, failure, raw_call, rest_of, running_front


@pytest.fixture
async def front() -> AsyncIterator[Front]:
    async with running_front() as front:
        yield front


def details(error: grpc.aio.AioRpcError) -> dict[str, Any]:
    """The google.rpc details by name, ErrorInfo among them always."""
    trailing = dict(error.trailing_metadata())
    status = status_pb2.Status.FromString(trailing["grpc-status-details-bin"])
    assert status.code == error.code().value[0]
    assert status.message == error.details()
    found: dict[str, Any] = {}
    for packed in status.details:
        name = packed.TypeName().rpartition(".")[2]
        found[name] = getattr(error_details_pb2, name)()
        packed.Unpack(found[name])
    assert found["ErrorInfo"].domain == "ligserve"
    return found


async def test_invalid_argument_names_every_field(front: Front) -> None:
    request = ask("  ", model="", options={"tolerance": {"relative": float("nan")}})
    error = await failure(front.explanations.Explain(request))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    fields = [violation.field for violation in details(error)["BadRequest"].field_violations]
    assert fields == ["model", "sequence_classification.text", "options.tolerance.relative"]


async def test_stream_fails_like_unary(front: Front) -> None:
    error = await failure(rest_of(front.stream(" ")))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert details(error)["BadRequest"].field_violations[0].field == "sequence_classification.text"


async def test_unknown_model_tells_which_there_are(front: Front) -> None:
    for call in (
        front.explanations.Explain(ask(model="nope")),
        front.models.GetModel(model_pb.GetModelRequest(name="nope")),
    ):
        error = await failure(call)
        assert error.code() is grpc.StatusCode.NOT_FOUND
        assert error.details() == "there is no model 'nope'; there are m"
        assert details(error)["ResourceInfo"].resource_name == "nope"


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        (
            {"sequence_classification": {"text": "t"}, "options": {"baselines": [{"reference_text": "r"}]}},
            "options.baselines.reference_text",
        ),
        (
            {"sequence_classification": {"text": "t"}, "options": {"baselines": [{}, {}]}},
            "more than one of options.baselines",
        ),
    ],
)
async def test_what_is_not_built_says_so(front: Front, fields: dict[str, Any], part: str) -> None:
    error = await failure(front.explanations.Explain(pb.ExplainRequest(model="m", **fields)))
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED
    assert details(error)["ErrorInfo"].metadata["part"] == part


@pytest.mark.parametrize("code", [3, 5, 8, 9, 13, 14])
async def test_failures_of_workers_keep_their_code(front: Front, code: int) -> None:
    error = await failure(front.explain(f"fail {code}"))
    assert error.code().value[0] == code
    assert error.details() == "as you wish"


async def test_a_job_that_ends_without_a_summary_is_an_internal_error(
    front: Front, caplog: pytest.LogCaptureFixture
) -> None:
    error = await failure(rest_of(front.stream("unfinished")))
    assert error.code() is grpc.StatusCode.INTERNAL
    error_id = details(error)["ErrorInfo"].metadata["error_id"]
    assert error.details() == f"internal error {error_id}"


async def test_bytes_that_are_no_message(front: Front) -> None:
    lone_surrogate = b"\x0a\x03\xed\xa0\x80"
    raw = raw_call(front.channel, "/ligserve.v1.ExplanationService/Explain")
    error = await failure(raw(lone_surrogate))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "UTF-8" in str(error.details())
    assert (await front.explain()).HasField("summary")


async def test_forty_mebibytes_are_refused_and_others_are_served(front: Front) -> None:
    stream, _ = await front.hanging()
    error = await failure(front.explain("x" * (40 << 20)))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert (await front.explain()).HasField("summary")
    assert not stream.done()
    stream.cancel()


async def test_full_queue_says_when_to_come_back() -> None:
    async with running_front(jobs_per_worker=1, max_queue=1) as front:
        running, _ = await front.hanging()
        waiting = front.stream("hello")
        assert (await waiting.read()).progress.queue_position == 1
        error = await failure(front.explanations.Explain(ask(), timeout=20))
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert details(error)["RetryInfo"].retry_delay.ToMilliseconds() == 1000
        assert dict(error.trailing_metadata())["grpc-retry-pushback-ms"] == "1000"
        running.cancel()
        kinds = [event.WhichOneof("event") for event in await rest_of(waiting)]
        assert kinds[-1] == "summary"


async def test_deadline_of_the_server_in_the_queue_and_at_work() -> None:
    # Deaf to its cancel, the first job keeps the only place, so that the second one's time ends in the queue.
    async with running_front(jobs_per_worker=1, max_deadline_s=1.0) as front:
        at_work, _ = await front.hanging("deaf")
        queued = front.explanations.Explain(ask("hello"))
        first, second = await asyncio.gather(failure(rest_of(at_work)), failure(queued))
        assert first.code() is second.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert "at work" in str(first.details())
        assert "in the queue" in str(second.details())


async def test_page_tokens_are_checked(front: Front) -> None:
    for request, field in (
        (model_pb.ListModelsRequest(page_token="%%"), "page_token"),
        (model_pb.ListModelsRequest(page_size=1001), "page_size"),
        (model_pb.ListModelsRequest(page_token="gA=="), "page_token"),
    ):
        error = await failure(front.models.ListModels(request))
        assert details(error)["BadRequest"].field_violations[0].field == field


def test_details_are_cut_so_that_they_arrive() -> None:
    violations = [FieldViolation(f"field[{i}]", "é" * 300) for i in range(200)]
    status = to_status(InvalidArgumentError(violations))
    assert status.ByteSize() <= MAX_DETAILS_BYTES
    assert [packed.TypeName() for packed in status.details] == [
        "google.rpc.ErrorInfo",
        "google.rpc.BadRequest",
    ]


async def test_long_lists_of_violations_arrive(front: Front) -> None:
    labels = ["é" * 400] * 300
    request = ask(sequence_classification={"text": "t", "custom_labels": labels})
    error = await failure(front.explanations.Explain(request))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert details(error)["BadRequest"].field_violations


def test_every_error_class_has_a_canonical_code() -> None:
    def tree(kind: type[ServeError]) -> list[type[ServeError]]:
        return [kind, *(c for sub in kind.__subclasses__() for c in tree(sub))]

    leaves = [kind for kind in tree(ServeError) if "code" in vars(kind) and kind is not ServeError]
    assert len(leaves) == 8
    numbers = {code.value[0] for code in grpc.StatusCode}
    assert all(kind.code in numbers for kind in leaves)
    assert trailing_metadata(status_pb2.Status())[0][0] == "grpc-status-details-bin"
    assert explanation.ClassReference().WhichOneof("reference") is None


def test_a_long_description_is_cut_rather_than_its_field_path_lost() -> None:
    status = to_status(
        InvalidArgumentError([FieldViolation("sequence_classification.custom_labels", "L" * 9000)])
    )
    assert [packed.TypeName() for packed in status.details] == [
        "google.rpc.ErrorInfo",
        "google.rpc.BadRequest",
    ]
