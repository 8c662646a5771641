"""Clients that leave, or do not read."""

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest

from ligserve.v1 import explanation_service_pb2 as pb
from tests.server.front_harness import Front, ask_stream, failure, noted, rest_of, running_front


@pytest.fixture
async def front() -> AsyncIterator[Front]:
    # With one job at a time, the next job starts only after the worker has let go of this one.
    async with running_front(jobs_per_worker=1, write_stall_s=0.5) as front:
        yield front


async def test_cancelling_a_stream_stops_the_job_in_the_worker(front: Front) -> None:
    stream, header = await front.hanging()
    assert noted(header, "CANCELLATIONS") == "0"
    stream.cancel()
    answer = await front.explain()
    assert noted(answer.header, "CANCELLATIONS") == "1"


async def test_a_clients_deadline_stops_the_job_in_the_worker(front: Front) -> None:
    error = await failure(front.explain("hang", timeout=0.3))
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    answer = await front.explain()
    assert noted(answer.header, "CANCELLATIONS") == "1"


async def test_a_cut_connection_stops_the_job_in_the_worker(front: Front) -> None:
    async with grpc.aio.insecure_channel(front.front.address) as channel:
        stub = Front(front.front, front.pool, channel)
        await stub.hanging()
    answer = await front.explain()
    assert noted(answer.header, "CANCELLATIONS") == "1"


async def test_a_finished_stream_sends_no_cancellation(front: Front) -> None:
    assert [event async for event in front.stream("hello")][-1].HasField("summary")
    answer = await front.explain()
    assert noted(answer.header, "CANCELLATIONS") == "0"


async def test_a_queued_job_whose_client_leaves_never_runs(front: Front) -> None:
    running, _ = await front.hanging()
    leaving = front.stream("crash")
    assert (await leaving.read()).progress.queue_position == 1
    leaving.cancel()
    staying = front.stream("hello")
    while (await staying.read()).progress.queue_position != 1:
        pass
    running.cancel()
    assert (await rest_of(staying))[-1].HasField("summary")


@pytest.mark.parametrize("text", ["flood", "flood 200000"], ids=["after the header", "before the header"])
async def test_a_client_that_does_not_read_loses_its_stream_and_frees_the_worker(
    front: Front, text: str
) -> None:
    options = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 1024)]
    async with grpc.aio.insecure_channel(front.front.address, options=options) as channel:
        stalled = channel.unary_stream(
            "/ligserve.v1.ExplanationService/StreamExplain",
            request_serializer=pb.StreamExplainRequest.SerializeToString,
            response_deserializer=pb.StreamExplainResponse.FromString,
        )(ask_stream(text))
        await asyncio.wait_for(stalled.initial_metadata(), 20)
        if text == "flood":
            await stalled.read()
        assert (await front.explain()).HasField("summary")
        error = await failure(rest_of(stalled))
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "read nothing" in str(error.details())
