"""Servers to break."""

import gc
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.conftest import ZooModel
from tests.live_server import LiveServer, ServerProcess, live_server, starting_server

StartServer = Callable[..., AbstractContextManager[ServerProcess]]


@pytest.fixture(autouse=True)
def swept() -> Iterator[None]:
    """Collect gRPC's cycles here: Python 3.11 fails if that happens while it parses a module."""
    yield
    gc.collect()


@pytest.fixture(scope="package")
def models(zoo_model: ZooModel, sentiment_model: Path) -> dict[str, Path]:
    """The real classifier and two small random ones."""
    return {"sentiment": sentiment_model, "bert": zoo_model("bert"), "gpt2": zoo_model("gpt2")}


@pytest.fixture(scope="package")
def pair(models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with two workers of one thread each; who kills one waits until it is replaced."""
    log = tmp_path_factory.mktemp("pair") / "server.log"
    # The same requests are to take as long each time.
    with live_server(models, log, "--workers", "2", "--threads", "1", "--kept-points-mib", "0") as server:
        yield server


@pytest.fixture
def start(models: dict[str, Path], tmp_path: Path) -> StartServer:
    """Starts a server of one worker that the test may kill; takes more flags."""
    flags = ("--workers", "1", "--threads", "1", "--kept-points-mib", "0")
    return lambda *more: starting_server(models, tmp_path / "server.log", *flags, *more)
