"""Requests that go well, over a real wire to a real worker process."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from grpc_health.v1 import health_pb2

from ligserve.server.config import ModelSpec
from ligserve.v1 import explanation_service_pb2 as pb
from ligserve.v1 import model_service_pb2 as model_pb
from tests.server.front_harness import Front, ask, failure, health_stub, noted, running_front


@pytest.fixture
async def front() -> AsyncIterator[Front]:
    async with running_front() as front:
        yield front


async def test_stream_is_header_estimates_summary(front: Front) -> None:
    events = [event async for event in front.stream("stream 3") if not event.HasField("progress")]
    kinds = [event.WhichOneof("event") for event in events]
    assert kinds[0] == "header"
    assert kinds[-1] == "summary"
    assert set(kinds[1:-1]) == {"estimate"}
    assert [event.estimate.final for event in events[1:-1]][-1]
    assert events[-1].summary.cost.HasField("queue_time")


async def test_unary_folds_the_chunks_of_each_target_in_order(front: Front) -> None:
    answer = await front.explain("chunks")
    assert [list(estimate.scores) for estimate in answer.estimates] == [[1.0, 2.0, 3.0]] * 2
    assert [estimate.target for estimate in answer.estimates] == [0, 1]
    assert list(answer.estimates[0].score_errors) == [0.1, 0.2, 0.3]


async def test_unary_equals_the_streams_finals(front: Front) -> None:
    answer = await front.explain("hello")
    finals = [e.estimate async for e in front.stream("hello") if e.HasField("estimate") and e.estimate.final]
    assert list(answer.estimates) == finals


async def test_request_id_is_taken_from_the_caller(front: Front) -> None:
    call = front.explanations.Explain(ask(), metadata=(("x-request-id", "abc-1"),))
    assert (await call).header.request_id == "abc-1"
    assert ("x-request-id", "abc-1") in list(await call.trailing_metadata())


async def test_errors_tell_the_request_id_and_leave_clients_free_to_retry(front: Front) -> None:
    call = front.explanations.Explain(ask("fail 14"), metadata=(("x-request-id", "abc-2"),))
    error = await failure(call)
    assert ("x-request-id", "abc-2") in list(error.trailing_metadata())
    assert not list(error.initial_metadata()), "initial metadata commit a call"


@pytest.mark.parametrize("bad", ["x" * 200, "with space", "né".encode().decode("latin-1")[:1] + "~;"])
async def test_request_id_that_is_not_sane_is_replaced(front: Front, bad: str) -> None:
    call = front.explanations.Explain(ask(), metadata=(("x-request-id", bad),))
    assert len((await call).header.request_id) == 32


async def test_deadline_and_interval_reach_the_worker(front: Front) -> None:
    request = pb.StreamExplainRequest(
        request=ask(), stream=pb.StreamOptions(estimate_interval=Duration(nanos=250_000_000))
    )
    stream = front.explanations.StreamExplain(request, timeout=7)
    header = next(e.header for e in [e async for e in stream] if e.HasField("header"))
    # gRPC rounds what it sends of a deadline upwards.
    assert 1 < float(noted(header, "SECONDS_LEFT")) < 8
    assert float(noted(header, "ESTIMATE_INTERVAL")) == 0.25


@pytest.mark.parametrize("timeout", [None, 3600])
async def test_a_deadline_that_is_missing_or_too_late_is_the_servers(
    front: Front, timeout: float | None
) -> None:
    answer = await front.explanations.Explain(ask(), timeout=timeout)
    assert 500 < float(noted(answer.header, "SECONDS_LEFT")) <= 600
    assert float(noted(answer.header, "TIME_LIMIT")) == 600


async def test_a_callers_own_deadline_is_not_the_servers(front: Front) -> None:
    answer = await front.explanations.Explain(ask(), timeout=20)
    assert "TIME_LIMIT" not in {warning.code for warning in answer.header.warnings}


async def test_models(front: Front) -> None:
    listed = await front.models.ListModels(model_pb.ListModelsRequest())
    assert [model.name for model in listed.models] == ["m"]
    assert list(listed.models[0].workers) == ["worker-0"]
    assert not listed.next_page_token
    got = await front.models.GetModel(model_pb.GetModelRequest(name="m"))
    assert got.model == listed.models[0]


async def test_pages_of_models() -> None:
    specs = tuple(ModelSpec(name=name, source="scripted") for name in ("b", "c", "a"))
    async with running_front(models=specs) as front:
        names, token, pages = [], "", 0
        while pages == 0 or token:
            request = model_pb.ListModelsRequest(page_size=2, page_token=token)
            page = await front.models.ListModels(request)
            names += [model.name for model in page.models]
            token, pages = page.next_page_token, pages + 1
    assert (names, pages) == (["a", "b", "c"], 2)


async def test_health_names_both_services(front: Front) -> None:
    stub = health_stub(front.channel)
    for service in ("", "ligserve.v1.ExplanationService", "ligserve.v1.ModelService"):
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=service))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_silent_work_is_told_of_by_progress(front: Front) -> None:
    stream, _ = await front.hanging()
    event = await stream.read()
    assert event.HasField("progress")
    assert event.progress.queue_position == 0
    stream.cancel()


async def test_reflection_is_off_unless_asked_for(front: Front) -> None:
    from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

    question = reflection_pb2.ServerReflectionRequest(list_services="")
    make: Any = reflection_pb2_grpc.ServerReflectionStub
    call = make(front.channel).ServerReflectionInfo(iter([question]))
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call.read()
    assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED
    async with running_front(reflection=True) as open_front:
        answer = await make(open_front.channel).ServerReflectionInfo(iter([question])).read()
        names = {service.name for service in answer.list_services_response.service}
    assert {"ligserve.v1.ExplanationService", "ligserve.v1.ModelService"} <= names
