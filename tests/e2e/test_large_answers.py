"""An answer that the server holds too large for one message: the client reads it as a stream instead."""

import asyncio

import pytest

from ligserve.client import AsyncClient, Client, Explanation, TokenClassification
from ligserve.server import fold
from ligserve.server.pool.local import WORKER_COMMAND
from ligserve.server.workers.models.head import TOKEN
from tests.conftest import ENTITY_LABELS, ZooModel
from tests.server.front_harness import running_front

TASK = TokenClassification("My name is Kim and I live in Rome.")


async def test_it_is_the_same_answer(zoo_model: ZooModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is lowered: answers of 16 MiB would take this test a quarter of a minute."""
    model = str(zoo_model("bert", labels=ENTITY_LABELS, head=TOKEN))
    async with (
        running_front(model, command=WORKER_COMMAND) as front,
        AsyncClient(front.front.address) as client,
    ):
        whole = await client.explain("m", TASK, n_steps=2)
        monkeypatch.setattr(fold, "MAX_ANSWER_BYTES", 1000)

        def blocking() -> Explanation:
            with Client(front.front.address) as other:
                return other.explain("m", TASK, n_steps=2)

        for streamed in (await client.explain("m", TASK, n_steps=2), await asyncio.to_thread(blocking)):
            assert [target.scores for target in streamed.targets] == [t.scores for t in whole.targets]
            assert streamed.tokens == whole.tokens
