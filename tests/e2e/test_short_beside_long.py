"""A short request finds a place on a real worker, however many long texts are open."""

from contextlib import ExitStack
from pathlib import Path

from ligserve.client import Client, ExplanationStream, ProgressEvent, SequenceClassification
from tests.conftest import ZooModel
from tests.live_server import live_server
from tests.zoo.corpus import SENTENCES

# A thousand windows of the zoo's models, which take 128 tokens: more than the test waits for.
DOCUMENT = " ".join(SENTENCES) * 300


def queue_place(stream: ExplanationStream) -> int:
    return next(event.queue_position for event in stream if isinstance(event, ProgressEvent))


def test_documents_leave_a_place(zoo_model: ZooModel, tmp_path: Path) -> None:
    server = live_server({"bert": zoo_model("bert")}, tmp_path / "server.log", "--jobs-per-worker", "2")
    with server as live, Client(live.address) as client, ExitStack() as streams:
        documents = [
            streams.enter_context(client.stream("bert", SequenceClassification(DOCUMENT + text), timeout=100))
            for text in ("one", "two", "three")
        ]
        assert sorted(map(queue_place, documents)) == [0, 1, 2]
        for sentence in SENTENCES[:3]:
            assert client.explain("bert", SequenceClassification(sentence), timeout=30).targets
