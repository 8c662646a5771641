"""Targets of one request in different output spaces, over one path, on the real server."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ligserve.client import (
    Aggregate,
    ClassTarget,
    Client,
    Explanation,
    ImageClassification,
    OutputSpace,
    PairwiseSequenceClassification,
    SequenceClassification,
    Window,
)
from ligserve.client.tasks import Task
from ligserve.client.types.records import records
from ligserve.client.types.targets import TargetExplanation
from tests.conftest import ZooModel
from tests.live_server import live_server
from tests.zoo.corpus import SENTENCES
from tests.zoo.images import encoded, gradient

TEXT = "The film was long, loud and not funny at all; my parents hated it."
# Some 270 tokens for the zoo's models, which take 128.
LONG = " ".join(SENTENCES[:10]) * 2
PROBABILITY, LOG_ODDS, LOGIT = OutputSpace.PROBABILITY, OutputSpace.LOG_ODDS, OutputSpace.LOGIT
MIXED = [ClassTarget(1, output_space="probability"), ClassTarget(1, output_space="log_odds")]
MIXED += [ClassTarget(1, versus=0, output_space="logit"), ClassTarget(1, output_space="logit")]
MIXED += [ClassTarget(2, output_space="logit")]
SPACES = [PROBABILITY, LOG_ODDS, LOGIT, LOGIT, LOGIT]


@pytest.fixture(scope="module")
def served(
    zoo_model: ZooModel, image_model: ZooModel, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    models: dict[str, Path] = {"three": zoo_model("bert", 3), "images": image_model("vit")}
    log = tmp_path_factory.mktemp("output-spaces") / "server.log"
    with live_server(models, log, "--threads", "1", "--kept-points-mib", "0") as server:
        yield server.address


@pytest.fixture
def asked(served: str) -> Iterator[Client]:
    with Client(served) as client:
        yield client


def texts(targets: list[ClassTarget]) -> Task:
    return SequenceClassification(TEXT, targets)


def pairs(targets: list[ClassTarget]) -> Task:
    return PairwiseSequenceClassification(TEXT, "Nobody laughed.", targets)


def images(targets: list[ClassTarget]) -> Task:
    return ImageClassification(encoded(gradient(32, 32)), targets)


def documents(targets: list[ClassTarget]) -> Task:
    return SequenceClassification(LONG, targets)


def assert_like(found: TargetExplanation, alone: TargetExplanation, tolerance: float = 1e-5) -> None:
    """As if it had been asked for by itself; relative to the largest score."""
    largest = max(map(abs, alone.scores))
    assert largest > 0
    assert found.target == alone.target
    assert found.scores == pytest.approx(alone.scores, rel=tolerance, abs=tolerance * largest)
    assert found.f_input == pytest.approx(alone.f_input, rel=tolerance)
    assert found.f_baseline == pytest.approx(alone.f_baseline, rel=tolerance)


def each_alone(asked: Client, model: str, task: Any, **options: Any) -> list[Explanation]:
    """Every target by the request's own option."""
    return [
        asked.explain(
            model, task([ClassTarget(each.label, each.versus)]), output_space=each.output_space, **options
        )
        for each in MIXED
    ]


@pytest.mark.parametrize("convention", ["faithful", "library"])
@pytest.mark.parametrize(("model", "task"), [("three", texts), ("three", pairs), ("images", images)])
def test_one_path_gives_what_several_requests_give(
    asked: Client, model: str, task: Any, convention: str
) -> None:
    options: dict[str, Any] = {"n_steps": 9, "convention": convention}
    together = asked.explain(model, task(MIXED), **options)
    alone = each_alone(asked, model, task, **options)
    for found, one in zip(together.targets, alone, strict=True):
        assert_like(found, one.targets[0])
    assert [each.target.output_space for each in together.targets] == SPACES
    assert together.cost.points == alone[0].cost.points
    # One or two targets may be predicted by the path's own points, which saves a row.
    assert together.cost.rows in {alone[0].cost.rows, alone[0].cost.rows + 1}
    assert len({tuple(each.scores) for each in together.targets}) == len(MIXED)


def test_the_request_s_space_is_that_of_targets_without_one(asked: Client) -> None:
    targets = [ClassTarget(0), ClassTarget(0, output_space="probability"), ClassTarget()]
    found = asked.explain("three", texts(targets), output_space="log_odds", n_steps=5)
    assert [each.target.output_space for each in found.targets] == [LOG_ODDS, PROBABILITY, LOG_ODDS]
    image = asked.explain("images", images([ClassTarget(0), MIXED[0]]), convention="library", n_steps=3)
    assert [each.target.output_space for each in image.targets] == [LOGIT, PROBABILITY]


def test_a_tolerance_holds_for_each(asked: Client) -> None:
    found = asked.explain("three", texts(MIXED), tolerance=0.01)
    for target in found.targets:
        change = target.f_input - target.f_baseline
        assert abs(target.score_sum - change) <= target.error_bound
        assert target.error_bound <= 0.01 * max(abs(change), sum(map(abs, target.scores)))
    estimate = asked.estimate_cost("three", texts(MIXED), n_steps=9)
    assert estimate.expected.gradients == asked.explain("three", texts(MIXED), n_steps=9).cost.gradients


@pytest.mark.parametrize("aggregate", list(Aggregate))
def test_documents_add_up_in_every_space(asked: Client, aggregate: Aggregate) -> None:
    options: dict[str, Any] = {"long_input": Window(stride=90, aggregate=aggregate), "n_steps": 7}
    together = asked.explain("three", documents(MIXED), **options)
    assert [each.target.output_space for each in together.targets] == SPACES
    for found, one in zip(together.targets, each_alone(asked, "three", documents, **options), strict=True):
        assert_like(found, one.targets[0])
        change = found.f_input - found.f_baseline
        assert sum(found.scores) == pytest.approx(found.score_sum, abs=1e-9)
        assert abs(found.score_sum - change) <= found.error_bound
    # The largest window of each target is its own, so only the logits tell what is to be done.
    estimate = asked.estimate_cost("three", documents(MIXED), **options).expected
    if aggregate is not Aggregate.MAX:
        assert (estimate.points, estimate.gradients) == (together.cost.points, together.cost.gradients)


def test_a_document_s_tolerance_holds_for_two_spaces(asked: Client) -> None:
    for aggregate in (Aggregate.MEAN, Aggregate.MEAN_LOGITS):
        window = Window(stride=120, aggregate=aggregate)
        found = asked.explain("three", documents([MIXED[0], MIXED[4]]), long_input=window, tolerance=0.02)
        for target in found.targets:
            change = target.f_input - target.f_baseline
            assert abs(sum(target.scores) - change) <= target.error_bound
            assert target.error_bound <= 0.02 * max(abs(change), sum(map(abs, target.scores)))


def test_names_tell_the_spaces_apart(asked: Client) -> None:
    found = asked.explain("three", texts(MIXED[:2]), n_steps=3)
    label = found.targets[0].label
    assert {row["target"] for row in records(found)} == {f"{label} (probability)", f"{label} (log-odds)"}
    same = asked.explain("three", texts(MIXED[2:3]), n_steps=3)
    assert {row["target"] for row in records(same)} == {str(same.targets[0].target)}
    nothing = asked.explain("three", SequenceClassification("[PAD] [PAD]", MIXED[:2]))
    told = [each.message for each in nothing.warnings if each.code == "NOTHING_TO_EXPLAIN"]
    assert [f"{label} (probability)" in told[0], f"{label} (log-odds)" in told[1]] == [True, True]
