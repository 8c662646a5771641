"""What a request would cost, told over the wire and held against what it then cost."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from typer.testing import CliRunner

from benchmarks.texts import LONG, SHORT
from ligserve.client import (
    Aggregate,
    AsyncClient,
    Client,
    CostEstimate,
    ExplainOptions,
    ImageClassification,
    LigserveError,
    MultiLabelClassification,
    NoiseTunnel,
    PairwiseSequenceClassification,
    QuestionAnswering,
    ReferenceText,
    SequenceClassification,
    Task,
    TokenClassification,
    Window,
    ZeroShotClassification,
)
from ligserve.client.cli.app import app
from ligserve.client.requests import explain_request
from ligserve.server.workers.models.head import TOKEN
from ligserve.v1 import explanation_service_pb2 as pb
from ligserve.v1.explanation_service_pb2_grpc import ExplanationServiceStub
from tests.conftest import ENTITY_LABELS, NLI_LABELS, QaZooModel, ZooModel
from tests.live_server import LiveServer, live_server
from tests.zoo.corpus import SENTENCES
from tests.zoo.images import encoded, gradient

TEXT = SENTENCES[1]
# Some 400 tokens; the zoo's models take 128.
LONG_TEXT = " ".join(SENTENCES * 3)
PAIR = PairwiseSequenceClassification(TEXT, "There is a cat.")
PICTURE = encoded(gradient())
COUNTED = ("points", "gradients", "rows", "tokens", "token_passes")

# Model, task, options: everything whose cost is known beforehand.
KNOWN: dict[str, tuple[str, Task, dict[str, Any]]] = {
    "text": ("bert", SequenceClassification(TEXT), {}),
    "text, three targets": ("bert", SequenceClassification(TEXT, targets=[0, 1, 2]), {}),
    "text, library": ("bert", SequenceClassification(TEXT), {"convention": "library"}),
    "text, midpoint": ("bert", SequenceClassification(TEXT), {"rule": "midpoint"}),
    "pair": ("bert", PAIR, {}),
    "labels": ("bert", MultiLabelClassification(TEXT), {}),
    "candidates": ("nli", ZeroShotClassification(TEXT, ["film", "soup", "bank"], multi_label=True), {}),
    "competing candidates": ("nli", ZeroShotClassification(TEXT, ["film", "a soup"]), {}),
    "candidates, library": ("nli", ZeroShotClassification(TEXT, ["film"]), {"convention": "library"}),
    "answer": ("squad", QuestionAnswering("Who hated it?", TEXT), {}),
    "answer, library": ("squad", QuestionAnswering("Who hated it?", TEXT), {"convention": "library"}),
    "tokens": ("entities", TokenClassification(SENTENCES[7], ignored_indexes=[2]), {}),
    "tokens, library": ("entities", TokenClassification("He runs."), {"convention": "library"}),
    "image": ("vit", ImageClassification(PICTURE, [0, 1]), {}),
    "noisy image": ("vit", ImageClassification(PICTURE, noise_tunnel=NoiseTunnel(samples=9)), {}),
    "long text": ("bert", SequenceClassification(LONG_TEXT, targets=[0, 2]), {"long_input": Window(90)}),
    "long text, library": (
        "bert",
        MultiLabelClassification(LONG_TEXT),
        {"long_input": Window(100, Aggregate.TOKEN_WEIGHTED_MEAN), "convention": "library"},
    ),
    "long pair": ("bert", PairwiseSequenceClassification(LONG_TEXT, TEXT), {"long_input": Window(60)}),
    "long pair, library": (
        "bert",
        PairwiseSequenceClassification(TEXT, LONG_TEXT),
        {"long_input": "window", "convention": "library"},
    ),
    "cut pair": ("bert", PairwiseSequenceClassification(LONG_TEXT, TEXT), {"long_input": "truncate"}),
    "long text, mean of logits": (
        "bert",
        SequenceClassification(LONG_TEXT, targets=[0, 2]),
        {"long_input": Window(90, Aggregate.MEAN_LOGITS)},
    ),
    "long premise": (
        "nli",
        ZeroShotClassification(LONG_TEXT, ["film", "a soup of the day"], multi_label=True),
        {"long_input": Window(60)},
    ),
    "long premise, competing": (
        "nli",
        ZeroShotClassification(LONG_TEXT, ["film", "a soup of the day"]),
        {"long_input": Window(60)},
    ),
    "long premise, mean of logits": (
        "nli",
        ZeroShotClassification(LONG_TEXT, ["film", "a soup of the day"], multi_label=True),
        {"long_input": Window(60, Aggregate.MEAN_LOGITS)},
    ),
    "long premise, mean of logits, library": (
        "nli",
        ZeroShotClassification(LONG_TEXT, ["film", "a soup of the day"]),
        {"long_input": Window(60, Aggregate.MEAN_LOGITS), "convention": "library"},
    ),
    "long premise, competing, mean of logits": (
        "nli",
        ZeroShotClassification(LONG_TEXT, ["film", "a soup of the day"]),
        {"long_input": Window(60, Aggregate.MEAN_LOGITS)},
    ),
    "long text, tokens": (
        "entities",
        TokenClassification(LONG_TEXT, ignored_indexes=[0, 3, 4, 140]),
        {"long_input": Window(60)},
    ),
    "long text, tokens, library": (
        "entities",
        TokenClassification(LONG_TEXT[:900], ignored_indexes=[7]),
        {"long_input": "window", "convention": "library"},
    ),
    "cut text, tokens": ("entities", TokenClassification(LONG_TEXT[:900]), {"long_input": "truncate"}),
    "cut text": ("bert", SequenceClassification(LONG_TEXT), {"long_input": "truncate"}),
}
# The same questions with a tolerance, where the number of points is not known.
OPEN = (
    *("text", "pair", "labels", "competing candidates", "answer", "image", "noisy image", "long text"),
    *("long premise, mean of logits", "long premise, competing, mean of logits"),
)
WRONG: dict[str, tuple[str, Task, dict[str, Any]]] = {
    "no model": ("nonesuch", SequenceClassification(TEXT), {}),
    "no text": ("bert", SequenceClassification(" "), {}),
    "no such class": ("bert", SequenceClassification(TEXT, targets=[7]), {}),
    "other head": ("squad", SequenceClassification(TEXT), {}),
    "bad tolerance": ("bert", SequenceClassification(TEXT), {"tolerance": 7.0}),
    "stride above the window": ("bert", SequenceClassification(LONG_TEXT), {"long_input": Window(4000)}),
    "too long": ("bert", SequenceClassification(LONG_TEXT), {"long_input": "refuse"}),
    "one endless word": ("bert", SequenceClassification("x" * 200_000), {}),
    "not built": ("bert", PAIR, {"baseline": ReferenceText("Something else.")}),
    "no such token": ("entities", TokenClassification(TEXT, ignored_indexes=[999]), {}),
    "no image": ("vit", ImageClassification(b"GIF89a"), {}),
}


@pytest.fixture(scope="module")
def models(
    zoo_model: ZooModel, qa_zoo_model: QaZooModel, image_model: ZooModel, sentiment_model: Path
) -> dict[str, Path]:
    return {
        "sentiment": sentiment_model,
        "bert": zoo_model("bert"),
        "nli": zoo_model("bert", labels=NLI_LABELS),
        "entities": zoo_model("bert", labels=ENTITY_LABELS, head=TOKEN),
        "squad": qa_zoo_model("bert"),
        "vit": image_model("vit"),
    }


# Points that are known from another test's request would cost nothing.
KEEPS_NONE = ("--kept-points-mib", "0")


@pytest.fixture(scope="module")
def server(models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    log = tmp_path_factory.mktemp("costs") / "server.log"
    with live_server(models, log, "--threads", "1", *KEEPS_NONE) as running:
        yield running


@pytest.fixture
def client(server: LiveServer) -> Iterator[Client]:
    with Client(server.address) as connected:
        yield connected


@pytest.fixture
def stub(server: LiveServer) -> Iterator[ExplanationServiceStub]:
    with grpc.insecure_channel(server.address) as channel:
        yield ExplanationServiceStub(channel)


def asked(model: str, task: Task, **options: Any) -> pb.ExplainRequest:
    return explain_request(model, task, ExplainOptions(**options))


def told(stub: ExplanationServiceStub, request: pb.ExplainRequest) -> pb.EstimateCostResponse:
    return stub.EstimateCost(pb.EstimateCostRequest(request=request), timeout=60)


def counts(cost: pb.Cost) -> dict[str, int]:
    return {name: getattr(cost, name) for name in COUNTED}


@pytest.mark.parametrize("name", KNOWN)
def test_a_cost_that_can_be_known_is_known(stub: ExplanationServiceStub, name: str) -> None:
    model, task, options = KNOWN[name]
    request = asked(model, task, n_steps=3, **options)
    estimate, answer = told(stub, request), stub.Explain(request, timeout=120)
    assert counts(estimate.expected) == counts(estimate.maximum) == counts(answer.summary.cost)
    assert estimate.windows == answer.header.window_count == len(answer.header.windows)
    assert estimate.targets == len(answer.header.targets)
    assert not estimate.targets_may_be_fewer
    assert estimate.judged_token_passes == answer.summary.cost.token_passes


@pytest.mark.parametrize("name", OPEN)
def test_a_cost_that_depends_on_the_answer_stays_below_the_most(
    stub: ExplanationServiceStub, name: str
) -> None:
    model, task, options = KNOWN[name]
    request = asked(model, task, tolerance=0.05, max_points=33, **options)
    estimate, answer = told(stub, request), stub.Explain(request, timeout=120)
    cost = answer.summary.cost
    assert all(count <= getattr(estimate.maximum, name) for name, count in counts(cost).items())
    assert all(count <= getattr(estimate.maximum, name) for name, count in counts(estimate.expected).items())
    assert 0.4 * cost.points <= estimate.expected.points <= 2.5 * cost.points
    assert estimate.windows == answer.header.window_count


@pytest.mark.parametrize(("text", "tolerance"), [(SHORT[0], 0.05), (SHORT[1], 0.001), (LONG[0], 0.01)])
def test_documented_figures_fit_a_real_model(client: Client, text: str, tolerance: float) -> None:
    task = SequenceClassification(text)
    estimate = client.estimate_cost("sentiment", task, tolerance=tolerance)
    cost = client.explain("sentiment", task, tolerance=tolerance, timeout=250).cost
    assert 0.5 * cost.points <= estimate.expected.points <= 2 * cost.points
    assert cost.points <= estimate.maximum.points == 1024


def test_of_the_largest_windows_the_most_is_told(stub: ExplanationServiceStub) -> None:
    options = {"n_steps": 3, "long_input": Window(90, Aggregate.MAX)}
    request = asked("bert", SequenceClassification(LONG_TEXT, targets=[0, 1, 2]), **options)
    estimate, answer = told(stub, request), stub.Explain(request, timeout=120)
    cost = answer.summary.cost
    assert all(count <= getattr(estimate.maximum, name) for name, count in counts(cost).items())
    assert estimate.expected.gradients == cost.gradients == 3 * 5
    assert estimate.maximum.points == 3 * 5


def test_of_the_largest_parts_of_competing_labels_the_most_is_told(stub: ExplanationServiceStub) -> None:
    labels = ["film", "a soup of the day", "noise"]
    options = {"n_steps": 3, "long_input": Window(60, Aggregate.MAX)}
    request = asked("nli", ZeroShotClassification(LONG_TEXT, labels), **options)
    estimate, answer = told(stub, request), stub.Explain(request, timeout=120)
    cost = answer.summary.cost
    parts = {target.window for target in answer.header.targets}
    assert cost.points == cost.gradients == len(parts) * len(labels) * 5
    assert all(count <= getattr(estimate.maximum, name) for name, count in counts(cost).items())
    # Each label may win on a part of its own.
    assert estimate.expected.points == estimate.maximum.points == len(labels) * len(labels) * 5
    assert estimate.expected.gradients == estimate.maximum.gradients == estimate.maximum.points


def test_of_a_long_context_the_window_of_the_answer_is_explained(stub: ExplanationServiceStub) -> None:
    request = asked("squad", QuestionAnswering("Who hated it?", LONG_TEXT), n_steps=3, long_input=Window(40))
    estimate, answer = told(stub, request), stub.Explain(request, timeout=120)
    cost = answer.summary.cost
    assert estimate.windows == answer.header.window_count > 3
    for name in ("points", "gradients", "rows"):
        assert getattr(estimate.expected, name) == getattr(estimate.maximum, name) == getattr(cost, name)
    for name in ("tokens", "token_passes"):
        assert getattr(estimate.expected, name) == pytest.approx(getattr(cost, name), rel=0.2)
        assert getattr(cost, name) <= getattr(estimate.maximum, name)


def test_labels_that_are_ignored_may_leave_fewer_targets(stub: ExplanationServiceStub) -> None:
    task = TokenClassification(SENTENCES[7], ignored_labels=["O", "B-PER"])
    request = asked("entities", task, n_steps=3)
    estimate, answer = told(stub, request), stub.Explain(request, timeout=120)
    assert estimate.targets_may_be_fewer
    assert len(answer.header.targets) <= estimate.targets < len(answer.header.windows[0].tokens.ids)
    assert answer.summary.cost.gradients <= estimate.maximum.gradients


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_answered_as_by_explain(client: Client, name: str) -> None:
    model, task, options = WRONG[name]
    errors = []
    for call in (client.estimate_cost, client.explain):
        with pytest.raises(LigserveError) as caught:
            call(model, task, request_id="one", **options)
        errors.append((type(caught.value), caught.value.failure))
    assert errors[0] == errors[1]


def test_an_estimate_computes_nothing_and_a_run_teaches(zoo_model: ZooModel, tmp_path: Path) -> None:
    """How fast the model is, is known from its trial, and then from its batches."""
    task = SequenceClassification(TEXT)
    with (
        live_server({"bert": zoo_model("bert")}, tmp_path / "server.log", "--threads", "1") as server,
        Client(server.address) as client,
    ):
        fresh = [client.estimate_cost("bert", task) for _ in range(3)]
        assert [getattr(fresh[0].expected, what) for what in COUNTED] == [
            getattr(fresh[2].expected, what) for what in COUNTED
        ]
        assert fresh[2].learnt_from == 0
        assert fresh[2].expected.compute_seconds is not None
        assert fresh[2].expected.compute_seconds > 0
        assert fresh[2].expected.queue_seconds == 0
        ran = client.explain("bert", task)
        assert ran.cost.points > 0 == ran.cost.reused_points, "none was there from an estimate"
        after = client.estimate_cost("bert", task)
        assert after.learnt_from == 1
        assert after.expected.compute_seconds is not None
        assert 0 < after.expected.compute_seconds < (after.maximum.compute_seconds or 0)
        assert abs(after.expected.points - ran.cost.points) <= abs(fresh[2].expected.points - ran.cost.points)
        assert client.estimate_cost("bert", task, tolerance=0.001).learnt_from == 0
        client.explain("bert", task, n_steps=4)
        assert client.estimate_cost("bert", task).learnt_from == 1
        again = client.explain("bert", task)
        assert again.cost.points == 0 < again.cost.reused_points
        assert client.estimate_cost("bert", task).learnt_from == 2
        every_class: dict[str, Any] = {"retargetable": True, "n_steps": 3, "convention": "library"}
        estimate = client.estimate_cost("bert", task, **every_class)
        assert estimate.expected.gradients == client.explain("bert", task, **every_class).cost.gradients == 15
    calls = [line for line in server.lines.text().splitlines() if "EstimateCost" in line]
    points = [json.loads(line)["points"] for line in calls]
    assert points
    assert set(points) == {0}


async def test_the_async_client_estimates_too(server: LiveServer, client: Client) -> None:
    async with AsyncClient(server.address) as other:
        estimate = await other.estimate_cost("bert", PAIR, n_steps=3)
    assert isinstance(estimate, CostEstimate)
    assert estimate.expected.points == client.estimate_cost("bert", PAIR, n_steps=3).expected.points == 5


def test_the_command_line_tells_the_cost(server: LiveServer, tmp_path: Path) -> None:
    source = tmp_path / "report.txt"
    source.write_text(LONG_TEXT, encoding="utf-8")
    command = ["explain", "--file", str(source), "-m", "bert", "--stride", "90", "--server", server.address]
    words = CliRunner().invoke(app, [*command, "--estimate"])
    assert words.exit_code == 0, words.output
    assert re.search(r"^windows +\d+$", words.output, re.M)
    assert re.search(r"^points +about \d+, at most \d+$", words.output, re.M)
    data = json.loads(CliRunner().invoke(app, [*command, "--estimate", "--json", "--n-steps", "3"]).output)
    assert data["expected"]["points"] == 5 * data["windows"]
    assert data["max_token_passes"] is None
