"""Whole calls over a real wire, blocking and asyncio."""

import asyncio
import json
import socket

import grpc
import pytest

from ligserve.client import (
    AsyncClient,
    CallCancelledError,
    ClassTarget,
    Client,
    ClientClosedError,
    Convention,
    DeadlineExceededError,
    EstimateEvent,
    Explanation,
    HeaderEvent,
    ModelNotFoundError,
    ProgressEvent,
    SequenceClassification,
    ServerUnavailableError,
    StopReason,
    SummaryEvent,
)
from ligserve.client.channel import DEFAULT_TIMEOUT_S
from ligserve.client.options import ExplainKeywords
from ligserve.v1 import explanation_pb2 as pb
from ligserve.v1 import explanation_service_pb2 as service_pb
from tests.client.scripted_server import Refusal, Script, running

TEXT = "I  love you,\nso much 🙂"
TASK = SequenceClassification(TEXT, targets=["POSITIVE", ClassTarget(0, versus=1)])


async def blocking(script: Script, stream: bool) -> Explanation:
    def call() -> Explanation:
        with Client(script.address) as client:
            if stream:
                with client.stream("sentiment", TASK, request_id="one") as events:
                    return events.result()
            return client.explain("sentiment", TASK, request_id="one")

    return await asyncio.to_thread(call)


async def test_the_four_ways_give_the_same_answer(script: Script, client: AsyncClient) -> None:
    unary = await client.explain("sentiment", TASK, request_id="one")
    async with client.stream("sentiment", TASK, request_id="one") as stream:
        streamed = await stream.result()
    answers = [unary, streamed, await blocking(script, stream=False), await blocking(script, stream=True)]
    # Bit for bit: dataclasses compare every float exactly.
    assert all(answer == unary for answer in answers)
    assert all(request == script.requests[0] for request in script.requests)


async def test_an_explanation_holds_what_was_sent(client: AsyncClient) -> None:
    explanation = await client.explain("sentiment", TASK)
    assert (explanation.text, explanation.convention) == (TEXT, Convention.FAITHFUL)
    assert explanation.prediction is not None
    assert (explanation.prediction.label, explanation.prediction.probability) == ("POSITIVE", 0.75)
    first, second = explanation.targets
    assert (first.label, first.class_index, first.stop_reason) == ("POSITIVE", 1, StopReason.TOLERANCE)
    assert str(second.target) == "NEGATIVE rather than POSITIVE"
    assert sum(score**2 for score in first.normalised_scores) == pytest.approx(1)
    assert [word.text for word in explanation.words()] == ["I", "love", "you,", "so", "much", "🙂"]
    strongest = explanation.top(2)
    assert abs(strongest[0].score) >= abs(strongest[1].score)
    assert explanation.top(0) == ()
    with pytest.raises(ValueError, match="k must be"):
        explanation.top(-1)
    assert explanation.cost.compute_seconds == 1.5
    json.dumps(explanation.to_dict(), allow_nan=False)


async def test_a_stream_tells_its_events_in_order(script: Script, client: AsyncClient) -> None:
    async with client.stream("sentiment", TASK, estimate_interval=0.25) as stream:
        events = [event async for event in stream]
        again = await stream.result()
    kinds = [type(event) for event in events]
    estimates = [EstimateEvent] * 4
    assert kinds == [ProgressEvent, HeaderEvent, *estimates, ProgressEvent, SummaryEvent]
    finals = [event for event in events if isinstance(event, EstimateEvent) and event.final]
    assert [final.scores for final in finals] == [target.scores for target in again.targets]
    assert script.intervals == [0.25]


async def test_options_and_metadata_arrive(script: Script) -> None:
    options = ExplainKeywords(
        convention="library",
        n_steps=7,
        baseline="mask_token",
        output_space="logit",
        timeout=5,
        request_id="mine",
        metadata=[("trace", "t")],
    )
    async with AsyncClient(script.address, token="secret", tls=False, metadata={"X-Team": "a"}) as client:
        await client.explain("m", TASK, **options)
    sent = script.requests[0].options
    assert (sent.convention, sent.fixed_steps.n_steps) == (pb.CONVENTION_LIBRARY, 7)
    assert sent.baselines[0].WhichOneof("kind") == "mask_token"
    seen = script.metadata[0]
    assert seen["authorization"] == "Bearer secret"
    assert (seen["x-request-id"], seen["x-team"], seen["trace"]) == ("mine", "a", "t")
    assert "ligserve-python/" in seen["user-agent"]
    assert script.time_left[0] is not None
    assert script.time_left[0] < DEFAULT_TIMEOUT_S / 2


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), 1e12], ids=str)
async def test_a_timeout_out_of_range_is_refused_everywhere(
    script: Script, client: AsyncClient, timeout: float
) -> None:
    with pytest.raises(ValueError, match="timeout must be"):
        await client.explain("m", TASK, timeout=timeout)
    with pytest.raises(ValueError, match="timeout must be"):
        client.stream("m", TASK, timeout=timeout)
    with pytest.raises(ValueError, match="timeout must be"):
        await client.models(timeout=timeout)
    with pytest.raises(ValueError, match="timeout must be"):
        await client.model("m", timeout=timeout)
    with pytest.raises(ValueError, match="timeout must be"):
        Client(script.address, timeout=timeout)
    assert not script.metadata


async def test_arguments_of_the_wrong_type_are_named(script: Script, client: AsyncClient) -> None:
    for wrong in ("text", SequenceClassification, None):
        with pytest.raises(TypeError, match=r"such as SequenceClassification\(text\), is "):
            await client.explain("m", wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="timeout must be a number, is str"):
        await client.models(timeout="5")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="estimate_interval must be a number, is str"):
        client.stream("m", TASK, estimate_interval="1")  # type: ignore[arg-type]
    for interval in (float("nan"), float("inf"), 1e300):
        with pytest.raises(ValueError, match="estimate_interval must be"):
            client.stream("m", TASK, estimate_interval=interval)
    assert not script.metadata


async def test_calls_have_a_deadline_unless_none_is_wanted(script: Script, client: AsyncClient) -> None:
    await client.explain("m", TASK)
    await client.explain("m", TASK, timeout=None)
    assert script.time_left[0] is not None
    assert script.time_left[1] is None


async def test_a_timeout_raises(script: Script, client: AsyncClient) -> None:
    script.hang = True
    sentence = f"^no answer from {script.address} within 0.2 s; give it a longer timeout "
    with pytest.raises(DeadlineExceededError, match=sentence) as caught:
        await client.explain("m", TASK, timeout=0.2, request_id="late")
    assert caught.value.request_id == "late"
    assert isinstance(caught.value.__cause__, grpc.RpcError)
    await asyncio.wait_for(script.cancelled.wait(), 10)
    script.messages = []
    with pytest.raises(DeadlineExceededError, match=sentence):
        await client.stream("m", TASK, timeout=0.2).result()

    def blocking_calls() -> None:
        with Client(script.address, timeout=0.2) as blocking_client:
            with pytest.raises(DeadlineExceededError, match=sentence):
                blocking_client.explain("m", TASK)
            with pytest.raises(DeadlineExceededError, match=sentence):
                blocking_client.stream("m", TASK).result()

    await asyncio.to_thread(blocking_calls)


PREDICTING = service_pb.Progress(windows=50, windows_predicted=12)
HEARD = {
    "the request waited in its queue, at place 3": [service_pb.Progress(queue_position=3)],
    "the server was at work, with 12 of 50 windows predicted": [PREDICTING],
    "the server was at work, with 9 of 50 windows explained": [
        PREDICTING,
        service_pb.Progress(windows=50, windows_predicted=50, windows_done=9, points_planned=300),
    ],
    "the server was at work, with 15 of 40 points done": [
        service_pb.Progress(points_done=15, points_planned=40)
    ],
}


@pytest.mark.parametrize(("did", "progress"), HEARD.items())
async def test_a_timeout_says_what_the_server_did(
    script: Script, client: AsyncClient, did: str, progress: list[service_pb.Progress]
) -> None:
    script.hang = True
    script.messages = [service_pb.StreamExplainResponse(progress=each) for each in progress]
    sentence = f"^no answer from {script.address} within 0.5 s; {did}; give it a longer timeout"
    with pytest.raises(DeadlineExceededError, match=sentence):
        await client.stream("m", TASK, timeout=0.5).result()

    def blocking_call() -> None:
        with (
            Client(script.address, timeout=0.5) as blocking_client,
            pytest.raises(DeadlineExceededError, match=sentence),
        ):
            blocking_client.stream("m", TASK).result()

    await asyncio.to_thread(blocking_call)


async def test_a_server_that_never_speaks_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"127.0.0.1:{mute.getsockname()[1]}"
        async with AsyncClient(address) as client:
            with pytest.raises(
                DeadlineExceededError, match=f"^no answer from {address} within 0.2 s; give it"
            ):
                await client.models(timeout=0.2)


async def test_unavailable_is_retried_by_the_channel(script: Script, client: AsyncClient) -> None:
    script.refusals = [Refusal(grpc.StatusCode.UNAVAILABLE)]
    await client.explain("m", TASK)
    assert script.metadata[1]["grpc-previous-rpc-attempts"] == "1"


async def test_models_are_read_page_by_page(script: Script, client: AsyncClient) -> None:
    script.page_size = 1
    found = await client.models()
    assert tuple(model.name for model in found) == script.models
    assert len(script.model_requests) == 3
    assert (await client.model("emotion")).explainers[0].conventions == ("library", "faithful")
    with_blocking = await asyncio.to_thread(lambda: Client(script.address).models())
    assert with_blocking == found


async def test_an_unknown_model_has_its_own_error(script: Script) -> None:
    from google.rpc import error_details_pb2

    info = error_details_pb2.ErrorInfo(reason="MODEL_NOT_FOUND", domain="ligserve")
    script.refusals = [Refusal(grpc.StatusCode.NOT_FOUND, "no model m", (info,))]
    with pytest.raises(ModelNotFoundError, match="no model m"):
        await asyncio.to_thread(lambda: Client(script.address).model("m"))


async def test_a_closed_client_says_so(script: Script) -> None:
    client, blocking_client = AsyncClient(script.address), Client(script.address)
    await client.explain("m", TASK)
    await client.close()
    await client.close()
    blocking_client.close()
    with pytest.raises(ClientClosedError, match="closed"):
        await client.explain("m", TASK)
    with pytest.raises(ClientClosedError, match="closed"):
        blocking_client.models()
    with pytest.raises(ClientClosedError, match="closed"):
        blocking_client.__enter__()


async def test_closing_ends_calls_in_flight(script: Script) -> None:
    script.hang = True
    client, blocking_client = AsyncClient(script.address), Client(script.address)
    waiting = asyncio.create_task(client.explain("m", TASK))
    await asyncio.wait_for(script.hanging.wait(), 10)
    await client.close()
    with pytest.raises(CallCancelledError):
        await waiting
    script.hanging.clear()
    waiting = asyncio.create_task(asyncio.to_thread(blocking_client.explain, "m", TASK))
    await asyncio.wait_for(script.hanging.wait(), 10)
    blocking_client.close()
    with pytest.raises(CallCancelledError):
        await waiting


async def test_cancelling_a_task_cancels_its_call(script: Script, client: AsyncClient) -> None:
    script.hang = True
    waiting = asyncio.create_task(client.explain("m", TASK))
    await asyncio.wait_for(script.hanging.wait(), 10)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await asyncio.wait_for(script.cancelled.wait(), 10)


async def test_no_server_is_a_clear_error() -> None:
    async with running(script := Script()):
        pass
    async with AsyncClient(script.address) as client:
        with pytest.raises(ServerUnavailableError, match="connect"):
            await client.explain("m", TASK)
