"""Fixtures that more than one part of the tests uses."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ligserve.client import Client
from ligserve.server.workers.models.head import SEQUENCE, SPAN, TOKEN, Head
from tests.live_server import LiveServer, live_server
from tests.sentiment import sentiment_model
from tests.zoo import ARCHITECTURES, IMAGE_ARCHITECTURES, build_model
from tests.zoo.images import build_image_model

__all__ = ["sentiment_model"]

ZooModel = Callable[..., Path]
QaZooModel = Callable[[str], Path]

# Labels of entailment models: as the library wants them, and in another order and spelling.
NLI_LABELS = ("contradiction", "neutral", "entailment")
ODD_NLI_LABELS = ("neutral", "Entails", "Contradiction")
# Every architecture has a question answerer; the library explains those of these.
QA_ARCHITECTURES = tuple(ARCHITECTURES)
QA_LIBRARY_RUNS_ON = (
    "bert",
    "distilbert",
    "roberta",
    "electra",
    "albert",
    "mpnet",
    "deberta-v2",
    "modernbert",
    "deberta",
    "deberta-v3",
    "big-bird",
    "opt",
)
NLI_ARCHITECTURES = ("bert", "distilbert", "roberta", "deberta-v2", "modernbert", "bart")
# The architectures whose single-logit classifiers are served too.
SINGLE_LOGIT_ARCHITECTURES = (
    "bert",
    "distilbert",
    "roberta",
    "electra",
    "albert",
    "mpnet",
    "deberta-v2",
    "gpt2",
    "modernbert",
    "bart",
)
# Labels of entity models.
ENTITY_LABELS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
ENTITY_ARCHITECTURES = SINGLE_LOGIT_ARCHITECTURES[:9]


@pytest.fixture(scope="session")
def zoo_model(tmp_path_factory: pytest.TempPathFactory) -> ZooModel:
    """Directory of a small random model by architecture, number (or names) of labels and head, built once."""
    built: dict[tuple[str, int, tuple[str, ...], Head], Path] = {}
    root = tmp_path_factory.mktemp("zoo")

    def model(name: str, num_labels: int = 3, labels: tuple[str, ...] = (), head: Head = SEQUENCE) -> Path:
        key = (name, len(labels) or num_labels, labels, head)
        if key not in built:
            directory = root / "-".join(map(str, (name, key[1], *labels, head.suffixes[0])))
            built[key] = build_model(
                ARCHITECTURES[name], directory, num_labels=key[1], labels=labels, head=head
            )
        return built[key]

    return model


@pytest.fixture(scope="session")
def qa_zoo_model(zoo_model: ZooModel) -> QaZooModel:
    """Directory of a small random question answerer by architecture, built once."""
    return lambda name: zoo_model(name, 2, head=SPAN)


@pytest.fixture(scope="session")
def live(
    zoo_model: ZooModel, sentiment_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveServer]:
    """A real server with the sentiment model and the whole zoo.

    "bert" has 3 labels, "bert-1" one logit, "bert-nli" entails, "bert-odd-nli" spells it its own way,
    "bert-entities" judges each token.
    """
    models = {"sentiment": sentiment_model}
    models |= {f"{name}-nli": zoo_model(name, labels=NLI_LABELS) for name in NLI_ARCHITECTURES}
    models |= {"bert-odd-nli": zoo_model("bert", labels=ODD_NLI_LABELS)}
    models |= {name: zoo_model(name, 3) for name in ARCHITECTURES}
    models |= {f"{name}-1": zoo_model(name, 1) for name in SINGLE_LOGIT_ARCHITECTURES}
    models |= {
        f"{name}-entities": zoo_model(name, labels=ENTITY_LABELS, head=TOKEN) for name in ENTITY_ARCHITECTURES
    }
    with live_server(
        models, tmp_path_factory.mktemp("live") / "server.log", "--threads", "1", "--kept-points-mib", "0"
    ) as server:
        yield server


@pytest.fixture(scope="session")
def qa_live(
    zoo_model: ZooModel, qa_zoo_model: QaZooModel, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveServer]:
    """A real server with the zoo's question answerers, and a classifier named "classifier"."""
    models = {name: qa_zoo_model(name) for name in QA_ARCHITECTURES}
    models["classifier"] = zoo_model("bert")
    with live_server(
        models, tmp_path_factory.mktemp("qa-live") / "server.log", "--threads", "1", "--kept-points-mib", "0"
    ) as server:
        yield server


@pytest.fixture
def qa_client(qa_live: LiveServer) -> Iterator[Client]:
    """A client of the server with question answerers."""
    with Client(qa_live.address) as connected:
        yield connected


@pytest.fixture
def client(live: LiveServer) -> Iterator[Client]:
    """A client of the real server."""
    with Client(live.address) as connected:
        yield connected


@pytest.fixture(scope="session")
def image_model(tmp_path_factory: pytest.TempPathFactory) -> ZooModel:
    """Directory of a small random image model by architecture and number of labels, built once."""
    built: dict[tuple[str, int], Path] = {}
    root = tmp_path_factory.mktemp("images")

    def model(name: str, num_labels: int = 3) -> Path:
        key = (name, num_labels)
        if key not in built:
            directory = root / f"{name}-{num_labels}"
            built[key] = build_image_model(IMAGE_ARCHITECTURES[name], directory, num_labels=num_labels)
        return built[key]

    return model


@pytest.fixture(scope="session")
def live_images(
    image_model: ZooModel, zoo_model: ZooModel, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveServer]:
    """A real server with every image model, "vit-1" with one logit, and "bert"."""
    models = {name: image_model(name) for name in IMAGE_ARCHITECTURES}
    models |= {"vit-1": image_model("vit", 1), "bert": zoo_model("bert")}
    log = tmp_path_factory.mktemp("live-images") / "server.log"
    with live_server(models, log, "--threads", "1", "--kept-points-mib", "0") as server:
        yield server


@pytest.fixture
def image_client(live_images: LiveServer) -> Iterator[Client]:
    """A client of the server with image models."""
    with Client(live_images.address) as connected:
        yield connected
