"""Fixtures that more than one part of the tests uses."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ligserve.client import Client
from tests.live_server import LiveServer, live_server
from tests.sentiment import sentiment_model
from tests.zoo import ARCHITECTURES, build_model

__all__ = ["sentiment_model"]

ZooModel = Callable[..., Path]


@pytest.fixture(scope="session")
def zoo_model(tmp_path_factory: pytest.TempPathFactory) -> ZooModel:
    """Directory of a small random model by architecture and number of labels, built once."""
    built: dict[tuple[str, int], Path] = {}
    root = tmp_path_factory.mktemp("zoo")

    def model(name: str, num_labels: int = 3) -> Path:
        key = (name, num_labels)
        if key not in built:
            built[key] = build_model(
                ARCHITECTURES[name], root / f"{name}-{num_labels}", num_labels=num_labels
            )
        return built[key]

    return model


@pytest.fixture(scope="session")
def live(
    zoo_model: ZooModel, sentiment_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveServer]:
    """A real server with the sentiment model and the whole zoo: "bert" has 3 labels, "bert-1" one logit."""
    models = {"sentiment": sentiment_model}
    models |= {name: zoo_model(name, 3) for name in ARCHITECTURES}
    models |= {f"{name}-1": zoo_model(name, 1) for name in ARCHITECTURES}
    with live_server(models, tmp_path_factory.mktemp("live") / "server.log", "--threads", "1") as server:
        yield server


@pytest.fixture
def client(live: LiveServer) -> Iterator[Client]:
    """A client of the real server."""
    with Client(live.address) as connected:
        yield connected
