"""Answers that no single message can hold: asked for again as a stream, over a real wire."""

import asyncio
import time

import pytest

from ligserve.client import (
    AsyncClient,
    AsyncTokenClassificationExplainer,
    Client,
    Explanation,
    FailedPreconditionError,
    MultiLabelClassification,
    SequenceClassification,
    TokenClassification,
    TokenClassificationExplainer,
    ZeroShotClassification,
)
from ligserve.client.answer_size import ANSWER_TOO_LARGE
from ligserve.client.calls import CallSettings, explain_call
from ligserve.client.channel import ClientConfig
from ligserve.client.tasks import Task
from tests.client.scripted_server import Script, refusal

TASK = SequenceClassification("I  love you, so much", targets=["POSITIVE"])


async def explained(script: Script, asyncio_client: bool, **options: float | None) -> Explanation:
    def blocking() -> Explanation:
        with Client(script.address) as client:
            return client.explain("m", TASK, request_id="one", timeout=options.get("timeout", 30))

    if not asyncio_client:
        return await asyncio.to_thread(blocking)
    async with AsyncClient(script.address) as client:
        return await client.explain("m", TASK, request_id="one", timeout=options.get("timeout", 30))


@pytest.mark.parametrize("asyncio_client", [False, True])
async def test_a_refused_answer_is_asked_for_as_a_stream(script: Script, asyncio_client: bool) -> None:
    whole = await explained(script, asyncio_client)
    script.refusals = [refusal(ANSWER_TOO_LARGE)]
    assert await explained(script, asyncio_client) == whole
    assert len(script.intervals) == 1, "one of the calls was a stream"
    assert script.requests == [script.requests[0]] * 3
    assert {seen["x-request-id"] for seen in script.metadata} == {"one"}
    assert all(left is not None and left <= 30 for left in script.time_left)


@pytest.mark.parametrize("asyncio_client", [False, True])
async def test_other_refusals_are_told(script: Script, asyncio_client: bool) -> None:
    script.refusals = [refusal("TEXT_TOO_LONG")]
    with pytest.raises(FailedPreconditionError) as caught:
        await explained(script, asyncio_client)
    assert caught.value.reason == "TEXT_TOO_LONG"
    script.refusals = [refusal(ANSWER_TOO_LARGE), refusal("TEXT_TOO_LONG")]
    with pytest.raises(FailedPreconditionError) as caught:
        await explained(script, asyncio_client)
    assert caught.value.reason == "TEXT_TOO_LONG"
    assert not script.refusals


@pytest.mark.parametrize("asyncio_client", [False, True])
async def test_without_a_timeout_the_stream_has_none_either(script: Script, asyncio_client: bool) -> None:
    script.refusals = [refusal(ANSWER_TOO_LARGE)]
    await explained(script, asyncio_client, timeout=None)
    assert script.time_left == [None, None]


def test_the_time_that_is_used_counts() -> None:
    def left(used: float, timeout: float | None) -> float | None:
        return CallSettings(timeout, (), "one", "server", begun=time.monotonic() - used).left

    some = left(10, timeout=30)
    assert some is not None
    assert 0 < some <= 20
    assert left(40, timeout=30) == 0
    assert left(40, timeout=None) is None


async def test_the_drop_ins_ask_again_too(script: Script) -> None:
    def blocking() -> object:
        with Client(script.address) as client:
            return TokenClassificationExplainer(client, "m")("Kim lives in Rome")

    whole = await asyncio.to_thread(blocking)
    script.refusals = [refusal(ANSWER_TOO_LARGE)]
    assert await asyncio.to_thread(blocking) == whole
    script.refusals = [refusal(ANSWER_TOO_LARGE)]
    async with AsyncClient(script.address) as client:
        assert await AsyncTokenClassificationExplainer(client, "m")("Kim lives in Rome") == whole
    assert len(script.intervals) == 2


LONG = "a word or two. " * 400


@pytest.mark.parametrize(
    ("task", "long"),
    [
        (SequenceClassification(LONG), False),
        (SequenceClassification(LONG * 12), True),
        (SequenceClassification(LONG, targets=range(12)), True),
        (MultiLabelClassification(LONG, labels=range(12)), True),
        (MultiLabelClassification(LONG), False),
        (TokenClassification(LONG[:1000]), False),
        (TokenClassification(LONG), True),
        (ZeroShotClassification(LONG, ["film", "song"]), False),
        (ZeroShotClassification(LONG, map(str, range(4))), True),
        (ZeroShotClassification(LONG, map(str, range(4)), multi_label=True), False),
        (ZeroShotClassification(LONG, map(str, range(12)), multi_label=True), True),
    ],
)
def test_what_scores_there_will_be_is_guessed(task: Task, long: bool) -> None:
    assert explain_call(ClientConfig(), "m", task, {}).long is long
