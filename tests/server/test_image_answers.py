"""Answers about images are large: a unary one is refused before the work on it starts."""

from collections.abc import AsyncIterator

import pytest

from ligserve.server.errors import FailedPreconditionError
from ligserve.server.fold import fold
from ligserve.server.pool.events import Event
from ligserve.v1 import explanation_service_pb2 as pb

# What 16 MiB hold of 8 bytes for each of 3 x 224 x 224 scores.
MOST_TARGETS = 13


async def opening(targets: int) -> AsyncIterator[Event]:
    header = pb.Header(image_shape=pb.ImageShape(channels=3, height=224, width=224))
    header.targets.extend(pb.Target() for _ in range(targets))
    yield Event(header=header)


async def test_as_many_targets_as_fit_one_message() -> None:
    assert len((await fold(opening(MOST_TARGETS))).header.targets) == MOST_TARGETS


async def test_more_targets_than_fit_one_message() -> None:
    with pytest.raises(FailedPreconditionError, match=r"larger than 16 MiB.*StreamExplain") as caught:
        await fold(opening(MOST_TARGETS + 1))
    assert caught.value.reason == "ANSWER_TOO_LARGE"
