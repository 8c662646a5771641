"""Long requests beside others: their share of a worker's places, the order of the queue, what it tells."""

import asyncio
from typing import Any

import grpc
import pytest

from ligserve.server.pool.long_requests import WINDOW_BYTES, is_long
from ligserve.v1 import explanation_service_pb2 as pb
from ligserve.v1.explanation_pb2 import ImageClassification, QuestionAnswering, ZeroShotClassification
from tests.server.front_harness import Front, ask, next_header, rest_of, running_front

# The scripted worker looks at the first word alone.
LONG = " x" * WINDOW_BYTES


async def waiting(front: Front, text: str, position: int) -> Any:
    stream = front.stream(text)
    assert (await stream.read()).progress.queue_position == position
    return stream


async def told(stream: Any, position: int) -> None:
    """Wait until a stream tells a place in the queue; what it tells before is larger."""
    while (now := (await stream.read()).progress.queue_position) != position:
        assert now > position


async def test_others_go_past_long_ones_that_wait() -> None:
    async with running_front(jobs_per_worker=4) as front:
        documents = [await front.hanging(f"hang{LONG}") for _ in range(3)]
        late = [await waiting(front, f"hang{LONG}", place) for place in (1, 2)]
        for _ in range(3):
            assert (await front.explain()).HasField("summary")
        documents[0][0].cancel()
        await next_header(late[0])
        await told(late[1], 1)
        for stream in (documents[1][0], documents[2][0], *late):
            stream.cancel()


async def test_long_ones_come_in_their_turn() -> None:
    """What waited before them goes first, and what comes after them waits where there is a place for them."""
    async with running_front(jobs_per_worker=2) as front:
        first, _ = await front.hanging()
        second, _ = await front.hanging()
        document = await waiting(front, f"hang{LONG}", 1)
        after = await waiting(front, "hang", 2)
        first.cancel()
        await next_header(document)
        await told(after, 1)
        last = await waiting(front, f"hello{LONG}", 2)
        second.cancel()
        await next_header(after)
        await told(last, 1)
        # A place is free, but not for long ones.
        after.cancel()
        assert (await front.explain()).HasField("summary")
        document.cancel()
        assert (await rest_of(last))[-1].HasField("summary")


async def test_the_place_in_the_queue_leaves_out_whom_one_goes_past() -> None:
    async with running_front(jobs_per_worker=4) as front:
        running = [(await front.hanging(f"hang{LONG}"))[0] for _ in range(3)]
        running.append((await front.hanging())[0])
        late = [await waiting(front, f"hang{LONG}", place) for place in (1, 2)]
        short = await waiting(front, "hang", 1)
        shorter = await waiting(front, "hang", 2)
        running[3].cancel()
        await next_header(short)
        await told(shorter, 1)
        for stream in (*running, *late, short, shorter):
            stream.cancel()


async def test_a_single_place_is_for_all() -> None:
    async with running_front(jobs_per_worker=1) as front:
        document, _ = await front.hanging(f"hang{LONG}")
        late = await waiting(front, f"hello{LONG}", 1)
        short = await waiting(front, "hello", 2)
        document.cancel()
        assert [(await rest_of(stream))[-1].HasField("summary") for stream in (late, short)] == [True, True]


async def test_the_wait_that_is_told_is_that_of_its_kind() -> None:
    async with running_front(jobs_per_worker=2) as front:
        document, _ = await front.hanging(f"hang{LONG}")
        answer = await front.estimate()
        assert answer.expected.queue_time.seconds == 2, "a place is free; the document has its turns"
        assert not (await front.estimate(f"hello{LONG}")).expected.HasField("queue_time"), "no long one ended"
        document.cancel()
        assert (await front.explain(f"hello{LONG}")).HasField("summary")
        document, _ = await front.hanging(f"hang{LONG}")
        late = await waiting(front, f"hang{LONG}", 1)
        # Two of 8 s in the one place, and the turns of the document beside it.
        assert (await front.estimate(f"hello{LONG}")).expected.queue_time.seconds == 16 + 2
        for stream in (document, late):
            stream.cancel()


async def test_estimates_of_long_texts_leave_places_too() -> None:
    async with running_front(jobs_per_worker=2) as front:
        estimates = [asyncio.create_task(front.estimate(f"hang{LONG}")) for _ in range(3)]
        assert (await front.estimate()).HasField("expected")
        for each in estimates:
            each.cancel()
        ends = await asyncio.gather(*estimates, return_exceptions=True)
        assert not [end for end in ends if isinstance(end, grpc.aio.AioRpcError)]


@pytest.mark.parametrize(
    ("request_", "long"),
    [
        (ask("x" * WINDOW_BYTES), False),
        (ask("x" * (WINDOW_BYTES + 1)), True),
        (ask("例" * (WINDOW_BYTES // 2)), True),
        (
            pb.ExplainRequest(question_answering=QuestionAnswering(question="x", context="x" * WINDOW_BYTES)),
            True,
        ),
        (
            pb.ExplainRequest(
                zero_shot_classification=ZeroShotClassification(text="x" * 100, labels=["a"] * 20)
            ),
            False,
        ),
        (
            pb.ExplainRequest(
                zero_shot_classification=ZeroShotClassification(text="x" * 100, labels=["a"] * 21)
            ),
            True,
        ),
        (pb.ExplainRequest(image_classification=ImageClassification(image=b"x" * 10_000)), False),
        (pb.ExplainRequest(), False),
    ],
)
def test_what_is_long(request_: pb.ExplainRequest, long: bool) -> None:
    assert is_long(request_) == long
