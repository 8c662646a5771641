"""Asking again about the same input: other classes, spaces and tolerances, over a real wire."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from ligserve.client import (
    Aggregate,
    ClassTarget,
    Client,
    Explanation,
    ImageClassification,
    InvalidRequestError,
    MultiLabelClassification,
    NoiseTunnel,
    PairwiseSequenceClassification,
    QuestionAnswering,
    SequenceClassification,
    TokenClassification,
    Window,
    ZeroShotClassification,
)
from ligserve.client.tasks import Task
from ligserve.server.workers.models.head import TOKEN
from ligserve.server.workers.models.precision import device_precisions
from ligserve.v1 import explanation_pb2 as pb
from tests.conftest import ENTITY_LABELS, NLI_LABELS, QaZooModel, ZooModel
from tests.live_server import live_server
from tests.zoo.corpus import SENTENCES
from tests.zoo.images import encoded, gradient

TEXT = "The film was long, loud and not funny at all; my parents hated it."
SPACES = ("probability", "log_odds", "logit")
# Some 270 tokens for the zoo's models, which take 128.
LONG = " ".join(SENTENCES[:10]) * 2
ALL = Window(stride=60)
QUESTION = "What was long?"

BFLOAT16 = pytest.mark.skipif(
    pb.PRECISION_BFLOAT16 not in device_precisions(torch.device("cpu")),
    reason="this CPU has neither AVX-512 BF16 nor AMX",
)


@pytest.fixture(scope="module")
def models(zoo_model: ZooModel, qa_zoo_model: QaZooModel, image_model: ZooModel) -> dict[str, Path]:
    return {
        "two": zoo_model("bert", 2),
        "three": zoo_model("roberta", 3),
        "nine": zoo_model("bert", 9),
        "nli": zoo_model("bert", labels=NLI_LABELS),
        "entities": zoo_model("bert", labels=ENTITY_LABELS, head=TOKEN),
        "answers": qa_zoo_model("bert"),
        "images": image_model("vit"),
    }


@pytest.fixture(scope="module")
def address(models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Two workers, so that a request has to find the one that knows its points."""
    log = tmp_path_factory.mktemp("retargeting") / "server.log"
    with live_server(models, log, "--threads", "1", "--workers", "2") as server:
        yield server.address


@pytest.fixture(scope="module")
def forgetful(models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A server that keeps no points."""
    log = tmp_path_factory.mktemp("forgetful") / "server.log"
    with (
        live_server(models, log, "--threads", "1", "--kept-points-mib", "0") as server,
        Client(server.address) as client,
    ):
        yield client


def assert_equal(found: Explanation, computed: Explanation, tolerance: float) -> None:
    """The scores, relative to the sum of their sizes, and what is told of them."""
    for mine, theirs in zip(found.targets, computed.targets, strict=True):
        scale = sum(map(abs, theirs.scores))
        assert mine.scores == pytest.approx(theirs.scores, rel=0, abs=tolerance * scale)
        assert mine.error_bound == pytest.approx(theirs.error_bound, rel=1e-3, abs=tolerance * scale)
        assert (mine.stop_reason, mine.points) == (theirs.stop_reason, theirs.points)


@pytest.fixture
def keeping(address: str) -> Iterator[Client]:
    with Client(address) as client:
        yield client


def test_the_same_question_again_costs_nothing_and_gives_the_same(keeping: Client) -> None:
    task = SequenceClassification("Asked twice, " + TEXT)
    first, again = (keeping.explain("two", task) for _ in range(2))
    assert first.cost.reused_points == 0
    assert (again.cost.points, again.cost.reused_points) == (0, first.cost.points)
    assert [each.scores for each in again.targets] == [each.scores for each in first.targets]
    assert again.targets[0].error_bound == first.targets[0].error_bound
    assert again.worker.id == first.worker.id


def test_many_inputs_find_their_workers_again(keeping: Client) -> None:
    texts = [f"{TEXT} Part {number}." for number in range(12)]
    first = [keeping.explain("two", SequenceClassification(text)) for text in texts]
    again = [keeping.explain("two", SequenceClassification(text, targets=[0])) for text in texts]
    assert len({each.worker.id for each in first}) == 2, "both workers work"
    assert all(each.cost.reused_points for each in again)


@pytest.mark.parametrize("convention", ["faithful", "library"])
def test_a_retargetable_answer_pays_for_all_that_follow(keeping: Client, convention: str) -> None:
    text = f"As {convention}: {TEXT}"
    first = keeping.explain(
        "three", SequenceClassification(text), tolerance=0.001, convention=convention, retargetable=True
    )
    assert first.cost.gradients == 3 * first.cost.points
    for space in SPACES:
        task = SequenceClassification(text, targets=[0, 1, 2, ClassTarget(0, versus=2)])
        again = keeping.explain("three", task, tolerance=0.05, convention=convention, output_space=space)
        assert (again.cost.points, again.cost.gradients) == (0, 0)
        assert again.cost.reused_points > 0
        for target in again.targets:
            assert abs(target.convergence_delta) <= target.error_bound
            assert target.stop_reason == "tolerance"
    mixed = SequenceClassification(text, targets=[ClassTarget(1, output_space=space) for space in SPACES])
    several = keeping.explain("three", mixed, tolerance=0.05, convention=convention)
    assert (several.cost.points, several.cost.gradients) == (0, 0)
    assert [each.target.output_space for each in several.targets] == list(SPACES)


def test_pairs_and_hypotheses_are_retargetable(keeping: Client) -> None:
    pair = PairwiseSequenceClassification(TEXT, "Nobody laughed.")
    keeping.explain("three", pair, retargetable=True)
    other = PairwiseSequenceClassification(TEXT, "Nobody laughed.", targets=[0, 1, 2])
    assert keeping.explain("three", other, tolerance=0.02).cost.points == 0
    labels = ZeroShotClassification(TEXT, ["cinema", "food"], multi_label=True)
    keeping.explain("nli", labels, retargetable=True)
    competing = ZeroShotClassification(TEXT, ["cinema", "food"])
    assert keeping.explain("nli", competing, tolerance=0.05).cost.points == 0


def test_a_stream_of_known_points_has_its_header_and_summary(keeping: Client) -> None:
    task = SequenceClassification("In a stream, " + TEXT)
    first = keeping.explain("two", task)
    with keeping.stream("two", task) as stream:
        kinds = [type(event).__name__ for event in stream]
        streamed = stream.result()
    assert (kinds[0], kinds[-1]) == ("HeaderEvent", "SummaryEvent")
    assert [each.scores for each in streamed.targets] == [each.scores for each in first.targets]


def test_models_that_cannot_be_retargeted_say_so(keeping: Client) -> None:
    with pytest.raises(InvalidRequestError, match=r"at most 8 classes; model 'nine' has 9") as many:
        keeping.explain("nine", SequenceClassification(TEXT), retargetable=True)
    assert [each.field for each in many.value.violations] == ["options.retargetable"]
    with pytest.raises(InvalidRequestError, match="is a token classifier"):
        keeping.explain("entities", TokenClassification(TEXT), retargetable=True)


@pytest.mark.parametrize(
    ("model", "task", "windows"),
    [
        ("three", SequenceClassification(LONG), ALL),
        ("three", SequenceClassification(LONG), Window(stride=60, aggregate=Aggregate.MAX)),
        ("three", SequenceClassification(LONG), Window(stride=60, aggregate=Aggregate.MEAN_LOGITS)),
        ("three", MultiLabelClassification(LONG), ALL),
        ("three", PairwiseSequenceClassification(LONG, "Nobody laughed."), ALL),
        ("nli", ZeroShotClassification(LONG, ["cinema", "food"]), ALL),
        ("nli", ZeroShotClassification(LONG, ["cinema", "food"], multi_label=True), ALL),
        ("nli", ZeroShotClassification(LONG, ["cinema", "food"]), Window(stride=60, aggregate=Aggregate.MAX)),
        ("nli", ZeroShotClassification(LONG, ["cinema", "food"]), Window(60, Aggregate.MEAN_LOGITS)),
        (
            "nli",
            ZeroShotClassification(LONG, ["cinema", "rain"], multi_label=True),
            Window(60, Aggregate.MEAN_LOGITS),
        ),
        ("answers", QuestionAnswering(QUESTION, LONG), ALL),
        ("entities", TokenClassification(LONG), ALL),
    ],
)
def test_long_texts_are_known_too(
    keeping: Client, forgetful: Client, model: str, task: Task, windows: Window
) -> None:
    # Apart from the other cases: windows of one text are the same, whatever is made of them.
    options: dict[str, Any] = {"long_input": windows, "embedding_layer": "all", "n_steps": 5}
    if windows.aggregate is Aggregate.MAX:
        options["n_steps"] = 6
    elif windows.aggregate is Aggregate.MEAN_LOGITS:
        options["n_steps"] = 7
    first, again = (keeping.explain(model, task, **options) for _ in range(2))
    assert (again.cost.points, again.cost.gradients) == (0, 0)
    assert again.cost.reused_points == first.cost.points + first.cost.reused_points > 0
    assert_equal(again, first, 1e-14)
    assert_equal(again, forgetful.explain(model, task, **options), 1e-6)


def test_a_long_text_pays_only_the_new_points_of_a_tighter_tolerance(
    keeping: Client, forgetful: Client
) -> None:
    task = SequenceClassification("Tighter. " + LONG)
    keeping.explain("three", task, long_input=ALL, tolerance=0.05)
    tight = keeping.explain("three", task, long_input=ALL, tolerance=0.0003)
    fresh = forgetful.explain("three", task, long_input=ALL, tolerance=0.0003)
    assert tight.cost.reused_points > 0
    assert tight.cost.points + tight.cost.reused_points == fresh.cost.points
    assert_equal(tight, fresh, 1e-6)


def test_a_long_text_is_retargetable(keeping: Client, forgetful: Client) -> None:
    text = "Retargetable. " + LONG
    options: dict[str, Any] = {"long_input": ALL, "tolerance": 0.01}
    estimate = keeping.estimate_cost("three", SequenceClassification(text), n_steps=5, retargetable=True)
    paid = keeping.explain("three", SequenceClassification(text), n_steps=5, retargetable=True)
    assert estimate.expected.gradients == paid.cost.gradients == 3 * paid.cost.points
    first = keeping.explain("three", SequenceClassification(text), retargetable=True, **options)
    assert first.cost.gradients == 3 * first.cost.points
    other = SequenceClassification(text, targets=[0, 1, 2])
    again = keeping.explain("three", other, **options)
    assert (again.cost.points, again.cost.gradients) == (0, 0)
    assert_equal(again, forgetful.explain("three", other, **options), 1e-6)


def test_many_known_windows_are_no_deep_recursion(keeping: Client) -> None:
    """All of them end as soon as they start."""
    task = SequenceClassification(" ".join(SENTENCES) * 4)
    many = Window(stride=2)
    first, again = (keeping.explain("three", task, long_input=many, n_steps=1) for _ in range(2))
    assert len(first.windows) > 300
    assert again.cost.points == 0
    assert_equal(again, first, 1e-14)


@pytest.mark.parametrize(
    ("model", "task", "options"),
    [
        ("answers", QuestionAnswering(QUESTION, TEXT), {}),
        ("answers", QuestionAnswering(QUESTION, TEXT), {"convention": "library"}),
        ("entities", TokenClassification(TEXT), {}),
        ("images", ImageClassification(encoded(gradient(32, 32))), {}),
        ("images", ImageClassification(encoded(gradient(32, 32)), targets=[0, 1]), {"convention": "library"}),
        pytest.param(
            "two", SequenceClassification("Coarse. " + TEXT), {"precision": "bfloat16"}, marks=BFLOAT16
        ),
    ],
)
def test_the_same_outputs_are_known_of_every_kind_of_model(
    keeping: Client, forgetful: Client, model: str, task: Task, options: dict[str, Any]
) -> None:
    loose, tight = (0.2, 0.05) if "precision" in options else (0.05, 0.0002)
    first = keeping.explain(model, task, tolerance=loose, **options)
    again = keeping.explain(model, task, tolerance=loose, **options)
    assert (again.cost.points, again.cost.gradients) == (0, 0)
    assert again.cost.reused_points == first.cost.points > 0
    assert [each.scores for each in again.targets] == [each.scores for each in first.targets]
    assert [each.error_bound for each in again.targets] == [each.error_bound for each in first.targets]
    more = keeping.explain(model, task, tolerance=tight, **options)
    fresh = forgetful.explain(model, task, tolerance=tight, **options)
    assert more.cost.reused_points == first.cost.points
    assert more.cost.points == fresh.cost.points - first.cost.points
    assert_equal(more, fresh, 1e-2 if "precision" in options else 1e-6)


def test_other_outputs_of_tokens_and_coarse_arithmetic_do_not_follow(keeping: Client) -> None:
    text = "Others. " + TEXT
    keeping.explain("entities", TokenClassification(text))
    logits = keeping.explain("entities", TokenClassification(text), output_space="logit")
    assert logits.cost.reused_points == 0


def test_noisy_copies_are_not_kept(keeping: Client) -> None:
    task = ImageClassification(encoded(gradient(32, 32)), noise_tunnel=NoiseTunnel(samples=2))
    first, again = (keeping.explain("images", task, n_steps=2) for _ in range(2))
    assert first.cost.points == again.cost.points
    assert again.cost.reused_points == 0
