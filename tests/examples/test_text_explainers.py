"""The examples run as a reader of them would run them, against a real server."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ligserve.server.workers.models.head import SPAN, TOKEN
from ligserve.v1 import explanation_service_pb2 as service_pb
from tests.conftest import ENTITY_LABELS, NLI_LABELS, ZooModel
from tests.live_server import LiveServer, live_server

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
TEXT, OTHER = "The film was long, I love it", "It is not bad"


@pytest.fixture(scope="module")
def server(zoo_model: ZooModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with a classifier, "classes", and models named after what they do."""
    models = {
        "classes": zoo_model("bert"),
        "nli": zoo_model("bert", labels=NLI_LABELS),
        "ner": zoo_model("bert", labels=ENTITY_LABELS, head=TOKEN),
        "answers": zoo_model("bert", 2, head=SPAN),
    }
    with live_server(models, tmp_path_factory.mktemp("examples") / "log", "--threads", "1") as server:
        yield server


def run(explainer: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, EXAMPLES / f"{explainer}.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


CALLS = [
    ("sequence_classification", "classes", (TEXT, "--class", "CLASS_0", "--class", "CLASS_2"), 2),
    ("pairwise_sequence_classification", "classes", (TEXT, OTHER), 1),
    ("multi_label_classification", "classes", (TEXT,), 3),
    ("multi_label_classification", "classes", (TEXT, "--label", "CLASS_1"), 1),
    ("zero_shot_classification", "nli", (TEXT, "movie", "soup"), 2),
    ("zero_shot_classification", "nli", (TEXT, "movie", "soup", "--multi-label"), 2),
    ("question_answering", "answers", (OTHER, TEXT), 2),
]


@pytest.mark.parametrize(("explainer", "model", "arguments", "targets"), CALLS)
def test_an_example_prints_its_answer_and_writes_a_page(
    server: LiveServer, tmp_path: Path, explainer: str, model: str, arguments: tuple[str, ...], targets: int
) -> None:
    page = tmp_path / "page.html"
    common = ("--server", server.address, "--model", model, "--html", page)
    done = run(explainer, *arguments, *common)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("scores add up to") == targets
    assert TEXT in done.stdout
    assert page.read_text(encoding="utf-8").count("<tr>") == targets + 1


def test_the_example_of_token_classification_tells_why_each_entity_is_one(
    server: LiveServer, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    done = run(
        "token_classification",
        TEXT,
        "--server",
        server.address,
        "--model",
        "ner",
        "--html",
        page,
        "--ignore",
        "O",
    )
    assert (done.returncode, done.stderr) == (0, "")
    entities = re.findall(r"^(PER|LOC) (.+): \S.* [+-]\d\.\d\d", done.stdout, re.MULTILINE)
    assert entities
    assert all(text in TEXT for _, text in entities)
    assert page.read_text(encoding="utf-8").count("<tr>") > 1


def test_every_text_explainer_has_an_example() -> None:
    explainers = service_pb.ExplainRequest.DESCRIPTOR.oneofs_by_name["explainer"].fields
    texts = {field.name for field in explainers} - {"image_classification"}
    assert {name for name in texts if not (EXAMPLES / f"{name}.py").is_file()} == set()
