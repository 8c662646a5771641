"""Requests that are wrong in every way, on the real server: told field by field, and nobody else notices."""

import math
import re
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from benchmarks.texts import SHORT
from ligserve.client import (
    Client,
    InvalidRequestError,
    ModelNotFoundError,
    SequenceClassification,
    SequenceClassificationExplainer,
    UnimplementedError,
)
from ligserve.v1 import explanation_service_pb2 as pb
from ligserve.v1.explanation_service_pb2_grpc import ExplanationServiceStub
from tests.live_server import LiveServer

TEXT = SHORT[0]
TEXT_FIELD = "sequence_classification.text"
TARGETS = "sequence_classification.targets[0]"
STRIDE = "options.long_input.window.stride"
RELATIVE, STEPS = "options.tolerance.relative", "options.fixed_steps.n_steps"
EXPLAIN = "/ligserve.v1.ExplanationService/Explain"


@pytest.fixture(autouse=True)
def others_are_served(live: LiveServer) -> Iterator[None]:
    """After each of these requests another client gets its answer, of the same workers."""
    workers = [worker.pid for worker in live.workers()]
    yield
    with Client(live.address) as other:
        answer = other.explain("bert", SequenceClassification(TEXT), n_steps=3)
    assert answer.targets[0].points == 5
    assert [worker.pid for worker in live.workers()] == workers


def message(**fields: Any) -> pb.ExplainRequest:
    """A request from plain dicts, which the stubs' types do not know."""
    return pb.ExplainRequest(**fields)


def raw_call(channel: grpc.Channel, method: str) -> Any:
    """A method that takes and gives bytes."""
    return channel.unary_unary(method)


def request(text: str = TEXT, model: str = "bert", **options: Any) -> pb.ExplainRequest:
    return message(model=model, sequence_classification={"text": text}, options=options)


def targeting(reference: dict[str, Any]) -> pb.ExplainRequest:
    task = {"text": TEXT, "targets": [{"label": reference}]}
    return message(model="bert", sequence_classification=task)


def explaining(explainer: str, **task: Any) -> pb.ExplainRequest:
    return message(model="bert", **{explainer: task})


def refusals(server: LiveServer, asked: pb.ExplainRequest) -> list[grpc.Call]:
    """What the unary call and the stream end with."""
    with grpc.insecure_channel(server.address) as channel:
        stub = ExplanationServiceStub(channel)
        with pytest.raises(grpc.RpcError) as unary:
            stub.Explain(asked, timeout=30)
        with pytest.raises(grpc.RpcError) as stream:
            list(stub.StreamExplain(pb.StreamExplainRequest(request=asked), timeout=30))
    return [unary.value, stream.value]  # type: ignore[list-item]


def detail(call: grpc.Call, kind: Any) -> Any:
    packed: Any
    (packed,) = (value for key, value in call.trailing_metadata() if key == "grpc-status-details-bin")
    found = kind()
    assert any(each.Unpack(found) for each in status_pb2.Status.FromString(packed).details)
    return found


WRONG: dict[str, tuple[pb.ExplainRequest, str, str]] = {
    "empty text": (request(""), TEXT_FIELD, "at least one character"),
    "spaces only": (request(" \n\t\u3000"), TEXT_FIELD, "at least one character"),
    "no model": (request(model=""), "model", "must name a model"),
    "no explainer": (pb.ExplainRequest(model="bert"), "explainer", "one explainer must be given"),
    "too many tokens": (
        request("word " * 500, long_input={"refuse": {}}),
        TEXT_FIELD,
        r"has \d+ tokens .* model 'bert' takes at most 128; shorten the text",
    ),
    "too many characters": (request("x" * 8_000_001), TEXT_FIELD, "8000001 characters long.*at most 8000000"),
    "unknown class": (targeting({"name": "SAD"}), f"{TARGETS}.label", "'SAD'.*CLASS_0.*CLASS_1.*CLASS_2"),
    "no such index": (targeting({"index": 3}), f"{TARGETS}.label", "3.*CLASS_0.*CLASS_1.*CLASS_2"),
    "empty class": (targeting({"name": ""}), f"{TARGETS}.label.name", "must not be empty"),
    "unnamed class": (targeting({}), f"{TARGETS}.label", "must name a class"),
    "0 steps": (request(fixed_steps={"n_steps": 0}), STEPS, "is 0, but must be from 1 to 4096"),
    "10 million steps": (request(fixed_steps={"n_steps": 10_000_000}), STEPS, "is 10000000"),
    "unknown rule": (request(fixed_steps={"rule": 77}), "options.fixed_steps.rule", "no value 77"),
    "NaN": (request(tolerance={"relative": math.nan}), RELATIVE, "is nan"),
    "infinite": (request(tolerance={"relative": math.inf}), RELATIVE, "is inf"),
    "zero": (request(tolerance={"relative": 0.0}), RELATIVE, "is 0.0, but must be above 0"),
    "negative": (request(tolerance={"relative": -1e-3}), RELATIVE, "is -0.001"),
    "2 points": (request(tolerance={"max_points": 2}), "options.tolerance.max_points", "from 17 to 16384"),
    "unknown convention": (request(convention=9), "options.convention", "no value 9"),
    "unknown space": (request(output_space=9), "options.output_space", "no value 9"),
    "unknown space of a target": (
        explaining("sequence_classification", text=TEXT, targets=[{"output_space": 9}]),
        f"{TARGETS}.output_space",
        "no value 9",
    ),
    "stride 0": (request(long_input={"window": {"stride": 0}}), STRIDE, "is 0, but must be at least 1"),
    "stride too long": (
        request("word " * 500, long_input={"window": {"stride": 127}}),
        STRIDE,
        "is 127, but a window of model 'bert' holds only 126 tokens",
    ),
    "unknown aggregate": (
        request(long_input={"window": {"aggregate": 9}}),
        "options.long_input.window.aggregate",
        "no value 9",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_fields_are_named(live: LiveServer, case: str) -> None:
    asked, field, words = WRONG[case]
    for call in refusals(live, asked):
        assert call.code() is grpc.StatusCode.INVALID_ARGUMENT
        (violation,) = detail(call, error_details_pb2.BadRequest).field_violations
        assert violation.field == field
        assert re.search(words, violation.description)
        assert detail(call, error_details_pb2.ErrorInfo).domain == "ligserve"


def test_everything_wrong_is_told_at_once(client: Client) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        client.explain("", SequenceClassification(" ", targets=[""]), tolerance=math.nan)
    fields = [violation.field for violation in caught.value.violations]
    assert fields == ["model", TEXT_FIELD, f"{TARGETS}.label.name", RELATIVE]


def test_an_unknown_model_is_not_found_and_the_others_are_named(live: LiveServer) -> None:
    for call in refusals(live, request(model="nope")):
        assert call.code() is grpc.StatusCode.NOT_FOUND
        info = detail(call, error_details_pb2.ResourceInfo)
        assert (info.resource_type, info.resource_name) == ("model", "nope")
        assert "sentiment" in info.description
    with Client(live.address) as client, pytest.raises(ModelNotFoundError, match="sentiment"):
        client.model("nope")


UNBUILT = {
    "options.baselines.reference_text": request(baselines=[{"reference_text": "a"}]),
    "more than one of options.baselines": request(baselines=[{"pad_token": {}}, {"mask_token": {}}]),
}


@pytest.mark.parametrize("part", UNBUILT)
def test_what_is_not_built_is_named(live: LiveServer, part: str) -> None:
    for call in refusals(live, UNBUILT[part]):
        assert call.code() is grpc.StatusCode.UNIMPLEMENTED
        info = detail(call, error_details_pb2.ErrorInfo)
        assert (info.reason, info.metadata["part"]) == ("NOT_BUILT_YET", part)


def test_the_client_tells_the_unbuilt_part(client: Client) -> None:
    with pytest.raises(UnimplementedError) as caught:
        client.explain("bert", SequenceClassification(TEXT), baseline=["pad_token", "mask_token"])
    assert caught.value.part == "more than one of options.baselines"


@pytest.mark.parametrize("convention", ["faithful", "library"])
def test_nul_bytes_are_text_like_any_other(client: Client, convention: str) -> None:
    text = "I\0love\0\0you"
    answer = client.explain("sentiment", SequenceClassification(text), convention=convention)
    slices = [text[token.start : token.end] for token in answer.tokens if not token.special]
    assert "".join(slices).replace("\0", "") == "Iloveyou"


def test_lone_surrogates_never_leave_the_client(client: Client) -> None:
    with pytest.raises(InvalidRequestError, match="lone surrogate at character 2") as caught:
        client.explain("bert", SequenceClassification("ab\ud800", targets=["\udfff"]))
    assert [v.field for v in caught.value.violations] == [TEXT_FIELD, f"{TARGETS}.label.name"]


# Field 2 (sequence_classification), 5 bytes: field 1 (text), 3 bytes: a surrogate as UTF-8 would spell it.
SURROGATE = bytes([0x12, 5, 0x0A, 3, 0xED, 0xA0, 0x80])


@pytest.mark.parametrize("data", [SURROGATE, b"\xff" * 50, b"\x0a\xff\xff\xff\xff\x0f"])
def test_bytes_that_are_no_message(live: LiveServer, data: bytes) -> None:
    with grpc.insecure_channel(live.address) as channel, pytest.raises(grpc.RpcError) as caught:
        raw_call(channel, EXPLAIN)(data, timeout=30)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "not a valid message" in str(caught.value.details())


def test_a_message_of_40_mib_is_refused(live: LiveServer) -> None:
    with (
        Client(live.address) as client,
        pytest.raises(InvalidRequestError, match=r"419430\d\d bytes") as caught,
    ):
        client.explain("bert", SequenceClassification("a" * (40 << 20)))
    (violation,) = caught.value.violations
    assert violation.field == "request"
    assert "shorten the text, or send it in parts" in violation.description


def test_an_unknown_method(live: LiveServer) -> None:
    with grpc.insecure_channel(live.address) as channel, pytest.raises(grpc.RpcError) as caught:
        raw_call(channel, "/ligserve.v1.ExplanationService/Nonsense")(b"", timeout=30)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_the_drop_in_warns_of_an_unknown_class_and_explains_the_prediction(client: Client) -> None:
    explainer = SequenceClassificationExplainer(client, "sentiment")
    expected = explainer(TEXT)
    with pytest.warns(UserWarning, match="'SAD' is not found in self.label2id"):
        assert explainer(TEXT, class_name="SAD") == expected


@pytest.mark.parametrize("index", [2, 2**32, -1, -(2**63)])
def test_the_drop_in_refuses_an_index_that_is_not_there(client: Client, index: int) -> None:
    explainer = SequenceClassificationExplainer(client, "sentiment")
    with pytest.raises(InvalidRequestError) as caught:
        explainer(TEXT, index=index)
    (violation,) = caught.value.violations
    assert violation.field.startswith(f"{TARGETS}.label")
    assert str(index) in violation.description


@pytest.mark.parametrize("n_steps", [10_000_000, 2**40, -3])
def test_the_drop_in_refuses_numbers_of_steps_that_are_not_possible(client: Client, n_steps: int) -> None:
    explainer = SequenceClassificationExplainer(client, "sentiment")
    with pytest.raises(InvalidRequestError) as caught:
        explainer(TEXT, n_steps=n_steps)
    assert [violation.field for violation in caught.value.violations] == [STEPS]


def test_a_text_of_a_gibibyte_is_refused_before_it_is_encoded(client: Client) -> None:
    with pytest.raises(InvalidRequestError, match=r"above this client's limit .* shorten the text") as caught:
        client.explain("bert", SequenceClassification("word " * ((1 << 30) // 5)))
    assert "image" not in str(caught.value)
    assert [violation.field for violation in caught.value.violations] == ["request"]
