"""An engine that breaks outside any request's own work: the worker ends, and nobody waits in vain."""

import sys
from pathlib import Path

import grpc
import pytest

from tests.conftest import ZooModel
from tests.server.front_harness import ask, failure, running_front

BREAKING = (sys.executable, str(Path(__file__).with_name("breaking_worker.py")))


async def test_a_broken_engine_ends_its_worker_and_another_takes_its_place(
    zoo_model: ZooModel, capfd: pytest.CaptureFixture[str]
) -> None:
    source, long = str(zoo_model("bert")), "good " * 100
    async with running_front(source, command=BREAKING, threads_per_worker=1, kept_points_mib=0) as front:
        assert (await front.explain("good", timeout=60)).estimates
        error = await failure(front.explanations.Explain(ask(long), timeout=300))
        assert error.code() is grpc.StatusCode.UNAVAILABLE
        assert "died while it worked on this request" in str(error.details())
        assert (await front.explain("good", timeout=300)).estimates
    logged = capfd.readouterr().err
    assert "engine_broken" in logged
    assert "MemoryError" in logged
