"""A model whose files break while the server runs."""

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from benchmarks.texts import SHORT
from ligserve.client import AsyncClient, SequenceClassification, ServerUnavailableError
from tests.conftest import ZooModel
from tests.live_server import live_server

TASK = SequenceClassification(SHORT[0])


async def test_broken_files_show_at_the_next_death_and_repaired_ones_heal_the_pool(
    zoo_model: ZooModel, tmp_path: Path
) -> None:
    directory = Path(shutil.copytree(zoo_model("bert"), tmp_path / "bert"))
    weights, hidden = directory / "model.safetensors", tmp_path / "hidden"
    with live_server({"bert": directory}, tmp_path / "server.log", "--threads", "1") as server:
        async with AsyncClient(server.address, max_attempts=1) as client:
            os.rename(weights, hidden)
            server.workers()[0].kill()
            looping = await asyncio.to_thread(server.lines.wait_for, "worker is in a crash loop")
            assert "holds no safetensors weights" in looping["reason"]
            with pytest.raises(ServerUnavailableError) as refused:
                await client.explain("bert", TASK)
            assert refused.value.reason == "NO_WORKERS"
            os.rename(hidden, weights)
            since = len(server.lines)
            await asyncio.to_thread(server.lines.wait_for, "worker ready", after=since, ready=1)
            assert (await client.explain("bert", TASK)).targets
