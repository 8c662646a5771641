"""Estimates of cost as the client reads and shows them."""

import asyncio
import json

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from ligserve.client import (
    AsyncClient,
    Client,
    CostEstimate,
    DeadlineExceededError,
    ExpectedCost,
    OverloadedError,
    SequenceClassification,
)
from ligserve.v1 import explanation_service_pb2 as pb
from tests.client.command import run
from tests.client.scripted_server import Refusal, Script

TASK = SequenceClassification("I love you")
EXPECTED = pb.Cost(
    points=21,
    gradients=42,
    rows=22,
    tokens=110,
    token_passes=320,
    compute_time=Duration(seconds=12, nanos=500_000_000),
    queue_time=Duration(seconds=3),
)
MAXIMUM = pb.Cost(points=1024, gradients=2048, rows=1025, tokens=5125, token_passes=15365)
ANSWER = pb.EstimateCostResponse(
    windows=1,
    targets=2,
    targets_may_be_fewer=True,
    expected=EXPECTED,
    maximum=MAXIMUM,
    learnt_from=7,
    judged_token_passes=300,
    max_token_passes=200,
)


@pytest.fixture
def answering(script: Script) -> Script:
    script.estimate = ANSWER
    return script


async def test_both_clients_read_every_field(answering: Script, client: AsyncClient) -> None:
    def blocking() -> CostEstimate:
        with Client(answering.address) as other:
            return other.estimate_cost("sentiment", TASK, tolerance=0.05, request_id="one")

    estimate = await client.estimate_cost("sentiment", TASK, tolerance=0.05, request_id="one")
    assert estimate == await asyncio.to_thread(blocking)
    assert answering.requests[0] == answering.requests[1]
    assert answering.requests[0].options.tolerance.relative == 0.05
    assert answering.metadata[0]["x-request-id"] == "one"
    assert estimate.expected == ExpectedCost(21, 42, 22, 110, 320, 12.5, 3.0)
    assert estimate.maximum == ExpectedCost(1024, 2048, 1025, 5125, 15365, None, None)
    assert (estimate.expected.seconds, estimate.maximum.seconds) == (15.5, None)
    assert (estimate.windows, estimate.targets, estimate.targets_may_be_fewer) == (1, 2, True)
    assert (estimate.learnt_from, estimate.judged_token_passes, estimate.max_token_passes) == (7, 300, 200)
    assert estimate.above_limit
    json.dumps(estimate.to_dict(), allow_nan=False)


async def test_without_a_limit_nothing_is_above_it(answering: Script, client: AsyncClient) -> None:
    answering.estimate = pb.EstimateCostResponse(judged_token_passes=1 << 40)
    estimate = await client.estimate_cost("sentiment", TASK)
    assert (estimate.max_token_passes, estimate.above_limit) == (None, False)
    answering.estimate.max_token_passes = 1 << 40
    assert not (await client.estimate_cost("sentiment", TASK)).above_limit


async def test_it_is_retried_refused_and_timed_out(answering: Script, client: AsyncClient) -> None:
    answering.refusals = [Refusal(grpc.StatusCode.UNAVAILABLE)]
    assert (await client.estimate_cost("sentiment", TASK)).windows == 1
    assert len(answering.requests) == 2
    answering.refusals = [Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED)]
    with pytest.raises(OverloadedError):
        await client.estimate_cost("sentiment", TASK)
    answering.hang = True
    with pytest.raises(DeadlineExceededError):
        await client.estimate_cost("sentiment", TASK, timeout=0.2)
    await answering.cancelled.wait()


async def test_values_are_checked_before_anything_is_sent(answering: Script, client: AsyncClient) -> None:
    with pytest.raises(TypeError, match="task must be one"):
        await client.estimate_cost("sentiment", "I love you")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="n_steps"):
        await client.estimate_cost("sentiment", TASK, n_steps=3, tolerance=0.1)
    assert answering.requests == []


async def test_the_command_line_shows_it(answering: Script) -> None:
    command = ("explain", "I love you", "-m", "sentiment", "--estimate")
    done = await run(*command, script=answering)
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "windows         1",
        "targets         at most 2",
        "points          about 21, at most 1024",
        "backward passes about 42, at most 2048",
        "tokens          about 110, at most 5125",
        "token passes    about 320, at most 15365",
        "seconds         about 12, and 3 while others have their turns",
        "the server would refuse it: 300 token passes are above its limit of 200",
    ]
    as_json = json.loads((await run(*command, "--json", script=answering)).out)
    assert as_json["expected"]["points"] == 21
    assert as_json["maximum"]["compute_seconds"] is None


@pytest.mark.parametrize(
    ("cost", "shown"),
    [
        (pb.Cost(points=5), "not known: the model has not been at work yet"),
        (pb.Cost(points=5, compute_time=Duration(nanos=123_456_789)), "about 0.12, and an unknown time"),
    ],
)
async def test_the_command_line_says_what_is_not_known(script: Script, cost: pb.Cost, shown: str) -> None:
    script.estimate = pb.EstimateCostResponse(windows=1, targets=1, expected=cost, maximum=cost)
    out = (await run("explain", "I love you", "-m", "sentiment", "--estimate", script=script)).out
    assert shown in out
    assert "points          5\n" in out
