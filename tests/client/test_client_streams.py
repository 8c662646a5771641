"""Streams that end as they should not, and streams that nobody reads to their end."""

import asyncio
from collections.abc import Callable

import pytest

from ligserve.client import (
    AsyncClient,
    CallCancelledError,
    Client,
    HeaderEvent,
    MalformedAnswerError,
    SequenceClassification,
    ServerUnavailableError,
    TruncatedStreamError,
)
from ligserve.client.folding import StreamFolder
from ligserve.server import large_messages
from ligserve.v1 import explanation_service_pb2 as service_pb
from tests.client.scripted_answer import scripted_messages
from tests.client.scripted_server import Script, running

TASK = SequenceClassification("I love you so very much")
Messages = list[service_pb.StreamExplainResponse]


def whole() -> Messages:
    request = service_pb.ExplainRequest(model="m")
    request.sequence_classification.text = TASK.text
    return scripted_messages(request)


async def test_a_stream_without_a_summary_was_cut(script: Script, client: AsyncClient) -> None:
    script.messages = whole()[:-1]
    async with client.stream("m", TASK) as stream:
        with pytest.raises(TruncatedStreamError, match="cut short"):
            await stream.result()
        with pytest.raises(TruncatedStreamError):
            await stream.result()

    def read() -> None:
        with Client(script.address) as blocking, blocking.stream("m", TASK) as events:
            list(events)

    with pytest.raises(TruncatedStreamError):
        await asyncio.to_thread(read)


def without_a_chunk(messages: Messages) -> Messages:
    return messages[:3] + messages[4:]


def without_final(messages: Messages) -> Messages:
    return [m for m in messages if not m.estimate.final]


def repeated_header(messages: Messages) -> Messages:
    return [*messages[:2], messages[1], *messages[2:]]


def estimate_first(messages: Messages) -> Messages:
    return messages[2:]


def after_the_summary(messages: Messages) -> Messages:
    return [*messages, messages[0]]


def estimate_after_final(messages: Messages) -> Messages:
    finals = [m for m in messages if m.estimate.final]
    return [*messages[:-1], finals[0], messages[-1]]


def unknown_target(messages: Messages) -> Messages:
    messages[2].estimate.target = 9
    return messages


def summary_of_nothing(messages: Messages) -> Messages:
    del messages[-1].summary.targets[:]
    return messages


def ragged_header(messages: Messages) -> Messages:
    messages[1].header.windows[0].tokens.starts.append(3)
    return messages


def too_many_scores(messages: Messages) -> Messages:
    messages[2].estimate.scores.extend([0.0] * 50)
    messages[2].estimate.score_errors.extend([0.0] * 50)
    return messages


def more_of_a_whole_header(messages: Messages) -> Messages:
    return [*messages[:2], service_pb.StreamExplainResponse(more_header=service_pb.Header()), *messages[2:]]


def rest_of_the_header_missing(messages: Messages) -> Messages:
    messages[1].header.continued = True
    return messages


def a_window_missing(messages: Messages) -> Messages:
    messages[1].header.window_count = 2
    return messages


def about_windows_that_are_not_there(messages: Messages) -> Messages:
    messages[1].header.targets[0].window = 0
    messages[1].header.targets[0].window_count = 2
    return messages


DAMAGES = [
    about_windows_that_are_not_there,
    more_of_a_whole_header,
    rest_of_the_header_missing,
    a_window_missing,
    without_a_chunk,
    without_final,
    repeated_header,
    estimate_first,
    after_the_summary,
    estimate_after_final,
    unknown_target,
    summary_of_nothing,
    ragged_header,
    too_many_scores,
]


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_stream_is_refused(
    script: Script, client: AsyncClient, damage: Callable[[Messages], Messages]
) -> None:
    script.messages = damage(whole())
    async with client.stream("m", TASK) as stream:
        with pytest.raises(MalformedAnswerError):
            await stream.result()


def test_a_header_and_a_summary_in_parts_are_the_same_as_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_messages, "PIECE_BYTES", 40)
    monkeypatch.setattr(large_messages, "MESSAGE_BYTES", 80)
    first, header, *others, summary = whole()
    opening = list(large_messages.opening(header.header))
    closing = list(large_messages.closing(summary.summary))
    assert len(opening) > 3
    folder, plain = StreamFolder(TASK.texts), StreamFolder(TASK.texts)
    events = [folder.feed(message) for message in [first, *opening, *others, *closing]]
    for message in [first, header, *others, summary]:
        plain.feed(message)
    assert folder.result() == plain.result()
    assert [type(event) for event in events[1 : 1 + len(opening)]] == [
        *[type(None)] * (len(opening) - 1),
        HeaderEvent,
    ]


def test_events_of_a_newer_server_are_passed_over() -> None:
    folder = StreamFolder(TASK.texts)
    for message in [*whole()[:3], service_pb.StreamExplainResponse(), *whole()[3:]]:
        folder.feed(message)
    assert folder.result().text == TASK.text


async def test_leaving_a_stream_cancels_the_work(script: Script, client: AsyncClient) -> None:
    script.messages, script.hang = whole()[:3], True
    async with client.stream("m", TASK) as stream:
        async for event in stream:
            if isinstance(event, HeaderEvent):
                break
    await asyncio.wait_for(script.cancelled.wait(), 10)


async def test_leaving_a_blocking_stream_cancels_the_work(script: Script) -> None:
    script.messages, script.hang = whole()[:3], True

    def read_the_header() -> None:
        with Client(script.address) as client, client.stream("m", TASK) as stream:
            while not isinstance(next(stream), HeaderEvent):
                pass

    await asyncio.to_thread(read_the_header)
    await asyncio.wait_for(script.cancelled.wait(), 10)


async def test_closing_from_another_task_ends_the_reader(script: Script, client: AsyncClient) -> None:
    script.messages, script.hang = whole()[:3], True
    stream = client.stream("m", TASK)
    reader = asyncio.create_task(stream.result())
    await asyncio.wait_for(script.hanging.wait(), 10)
    await stream.close()
    with pytest.raises(CallCancelledError):
        await reader


async def test_a_server_that_dies_in_a_stream_is_unavailable() -> None:
    script = Script(messages=whole()[:3], hang=True)
    async with running(script) as server, AsyncClient(script.address) as client:
        stream = client.stream("m", TASK)
        assert await anext(stream)
        await asyncio.wait_for(script.hanging.wait(), 10)
        await server.stop(None)
        with pytest.raises(ServerUnavailableError):
            await stream.result()
