"""Models loaded in this process, and an engine to run them."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor

from ligserve.internal.v1.frames_pb2 import ModelSource
from ligserve.server.workers.engine.engine import Engine
from ligserve.server.workers.engine.outputs import Output
from ligserve.server.workers.engine.path import Path
from ligserve.server.workers.models.head import SEQUENCE, SPAN, Head
from ligserve.server.workers.models.loaded import TextModel
from ligserve.server.workers.models.loading import load_model
from ligserve.server.workers.probes.probe import probed
from ligserve.server.workers.quadrature import NodeValue
from tests.conftest import ZooModel

LoadZoo = Callable[..., TextModel]
LoadQa = Callable[[str], TextModel]


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """More threads than cores make torch many times slower."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def load_zoo(zoo_model: ZooModel) -> LoadZoo:
    """A zoo model in memory, probed."""
    loaded: dict[str, TextModel] = {}

    def load(
        name: str, num_labels: int = 3, labels: tuple[str, ...] = (), head: Head = SEQUENCE
    ) -> TextModel:
        key = str(zoo_model(name, num_labels, labels, head))
        if key not in loaded:
            source = ModelSource(name=name, source=key)
            model = probed(load_model(source, "cpu"))
            assert isinstance(model, TextModel)
            loaded[key] = model
        return loaded[key]

    return load


@pytest.fixture(scope="session")
def load_qa(load_zoo: LoadZoo) -> LoadQa:
    """A question answerer of the zoo in memory, probed."""
    return lambda name: load_zoo(name, 2, head=SPAN)


@pytest.fixture
def engine() -> Iterator[Engine]:
    """An engine that is closed after the test."""
    running = Engine()
    yield running
    running.close()


@dataclass
class Recorder:
    """A PathListener that explains given outputs and waits for the end."""

    outputs: Sequence[Output]
    heard: list[str] = field(default_factory=list)
    logits: Tensor | None = None
    error: Exception | None = None
    on_points: Callable[[Path], None] = lambda path: None

    def __post_init__(self) -> None:
        self._ended = threading.Event()

    def predicted(self, logits: Tensor) -> Sequence[Output]:
        self.logits = logits
        self.heard.append("predicted")
        return self.outputs

    def points_done(self, path: Path) -> None:
        self.heard.append("points")
        self.on_points(path)

    def previewed(self, path: Path, value: NodeValue) -> None:
        self.heard.append("previewed")

    def round_done(self, path: Path) -> None:
        self.heard.append("round")

    def finished(self, path: Path) -> None:
        self.heard.append("finished")
        self._ended.set()

    def failed(self, error: Exception) -> None:
        self.error = error
        self._ended.set()

    def wait(self) -> "Recorder":
        assert self._ended.wait(60), "the path did not end"
        return self
