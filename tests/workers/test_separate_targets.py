"""Many targets on one path, each with points of its own: no backward pass for what no target asked for."""

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from ligserve.server.workers.costs.forecast import Integrals, of_points
from ligserve.server.workers.engine.alike import alike_rows
from ligserve.server.workers.engine.batch import Batch
from ligserve.server.workers.engine.embedding_path import EmbeddingPathSpec
from ligserve.server.workers.engine.engine import Engine
from ligserve.server.workers.engine.outputs import ClassOutput, Output, TokenOutput
from ligserve.server.workers.engine.path import Path
from ligserve.server.workers.engine.point_value import PointValue
from ligserve.server.workers.engine.scheduler import Slice
from ligserve.server.workers.explainers import PLANNERS
from ligserve.server.workers.models.head import HEAD_OF_EXPLAINER, TOKEN
from ligserve.server.workers.quadrature import (
    AdaptiveRule,
    FixedRule,
    NodeValue,
    PathEstimate,
    QuadratureRule,
    SeparateRule,
    gauss_legendre,
)
from ligserve.v1 import explanation_pb2 as pb
from ligserve.v1 import explanation_service_pb2 as service_pb
from tests.workers.conftest import LoadZoo, Recorder
from tests.workers.integrands import FIELDS, Integrand, integrate, logistic_sum
from tests.workers.test_engine import TEXT, spec_of
from tests.workers.test_many_targets import Steep
from tests.zoo import ARCHITECTURES

TOLERANCE = 1e-3
JUDGING_TOKENS = ("bert", "distilbert", "roberta", "electra", "mpnet", "xlnet")


def several() -> list[Integrand]:
    """Targets that bend at different places, and a straight one."""
    places = [(0.2, 0.02), (0.8, 0.02), (0.5, 0.3), (0.45, 0.01)]
    bent = [logistic_sum([(1.0, centre, width), (0.3, centre, 2 * width)])[0] for centre, width in places]
    return [*bent, Integrand(lambda alpha: 2 * alpha, lambda alpha: [0.5, 1.5])]


def run(engine: Engine, spec: EmbeddingPathSpec, rule: QuadratureRule, outputs: Sequence[Output]) -> Path:
    recorder = Recorder(outputs)
    path = Path(spec, rule, recorder, None)
    engine.submit(path)
    assert recorder.wait().error is None
    return path


def estimate_of(rule: QuadratureRule) -> PathEstimate:
    found = rule.estimate()
    assert found is not None
    return found


def of_tokens(spec: EmbeddingPathSpec) -> list[Output]:
    """Each token's label, in turns."""
    return [
        TokenOutput(position, ClassOutput(position % 3, None, pb.OUTPUT_SPACE_PROBABILITY))
        for position in range(spec.length)
    ]


def test_every_target_is_what_it_is_alone() -> None:
    together = integrate(SeparateRule(TOLERANCE, 4096), *several())
    for number in range(len(several())):
        alone = integrate(AdaptiveRule(TOLERANCE, 4096), several()[number])
        assert together.points[number] == alone.points[0]
        np.testing.assert_allclose(together.scores[number], alone.scores[0], rtol=1e-9, atol=1e-15)
        assert together.score_errors is not None
        assert alone.score_errors is not None
        np.testing.assert_allclose(
            together.score_errors[number], alone.score_errors[0], rtol=1e-6, atol=1e-14
        )
        assert together.error_bound[number] == pytest.approx(alone.error_bound[0], rel=1e-6, abs=1e-14)
    assert len(set(together.points)) > 2


def test_none_is_asked_for_the_points_of_another() -> None:
    shared, separate = several(), several()
    integrate(AdaptiveRule(TOLERANCE, 4096), *shared)
    integrate(SeparateRule(TOLERANCE, 4096), *separate)
    counts = [sum(len(each.asked) for each in integrands) for integrands in (shared, separate)]
    assert counts[1] < 0.8 * counts[0]


def test_the_tolerance_is_of_each_targets_own_share_of_a_whole() -> None:
    whole = np.array([0.0, 50.0, 0.0, 0.0, 0.0])
    relaxed = integrate(SeparateRule(TOLERANCE, 4096, whole), *several())
    strict = integrate(SeparateRule(TOLERANCE, 4096), *several())
    assert relaxed.points[1] < strict.points[1]


@pytest.mark.parametrize("most", [15, 30, 61])
def test_the_cap_on_points_is_the_paths(most: int) -> None:
    rule, integrands = SeparateRule(1e-9, most), several()
    asked: list[float] = []
    integrate(rule, *integrands)
    for integrand in integrands:
        asked += integrand.asked
    assert len(set(asked)) <= most
    assert service_pb.STOP_REASON_MAX_POINTS in rule.stop_reasons()
    assert service_pb.STOP_REASON_UNSPECIFIED not in rule.stop_reasons()


def test_the_cap_on_memory_holds_for_all_targets_together() -> None:
    tokens, size, integrands = 2, 8, several()
    rule = SeparateRule(1e-9, 4096, most_bytes=40 * len(integrands) * tokens * size)
    estimate = integrate(rule, *integrands)
    capped = [reason == service_pb.STOP_REASON_MAX_POINTS for reason in rule.stop_reasons()]
    assert sum(capped) > 1
    assert 30 * len(integrands) < estimate.points[capped].sum() <= 40 * len(integrands)
    assert rule.first_round_fits(13, tokens)
    assert not rule.first_round_fits(14, tokens)


def test_a_cut_rests_on_what_each_target_has() -> None:
    rule, integrands = SeparateRule(1e-9, 4096), several()

    def give(alphas: Sequence[float]) -> None:
        for alpha in alphas:
            values = [integrands[number](alpha) for number in rule.needed(len(integrands), alpha)]
            f, token_sums, noise, log_odds = (
                np.concatenate([getattr(value, name) for value in values]) for name in FIELDS
            )
            rule.add(alpha, NodeValue(f, token_sums, noise, log_odds))

    give(rule.start())
    assert rule.estimate() is None
    assert rule.stop_reasons() == []
    due = rule.advance()
    before = estimate_of(rule)
    give(due[: len(due) // 2])
    rule.cut()
    after = estimate_of(rule)
    assert [len(each.asked) for each in integrands] == after.points.tolist()
    assert (after.points >= before.points).all()
    assert (after.points > before.points).any()
    assert (np.abs(after.convergence_delta) <= after.error_bound + 1e-12).all()
    assert after.error_bound.sum() < before.error_bound.sum()


@pytest.mark.parametrize(
    ("evaluations", "room", "rows"),
    [
        ([5] * 8, 6, 6),
        ([0, 0, 0], 24, 3),
        ([40, 38, 28, 27, 3], 6, 3),
        ([40, 3, 2, 1, 1, 1], 24, 3),
        ([9, 5, 4, 1, 1], 400, 5),
        ([2], 1, 1),
    ],
)
def test_rows_of_a_batch_evaluate_about_as_much(evaluations: list[int], room: int, rows: int) -> None:
    assert alike_rows(evaluations, room) == rows


@pytest.fixture
def counted_rows(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Rows of every backward pass over the engine's graphs, one entry for each pass."""
    rows: list[int] = []
    real: Any = torch.autograd.grad

    def grad(outputs: Any, inputs: Any, **options: Any) -> Any:
        if threading.current_thread().name == "engine":
            rows.append(len(inputs[0]))
        return real(outputs, inputs, **options)

    monkeypatch.setattr(torch.autograd, "grad", grad)
    return rows


def test_backward_passes_are_left_out(load_zoo: LoadZoo, counted_rows: list[int]) -> None:
    """Of targets that jump at different places of the path."""
    spec = spec_of(load_zoo("bert"), TEXT)
    ((start, end),) = spec.ends()
    with torch.no_grad():
        logits = spec.run(
            [spec.row] * 12, [torch.lerp(start, end, torch.linspace(0.1, 0.9, 12)[:, None, None])]
        )
    outputs = [Steep(20.0, float(middle)) for middle in logits[:, 1] - logits[:, 0]]
    made = []
    for rule in (AdaptiveRule(TOLERANCE, 1024), SeparateRule(TOLERANCE, 1024)):
        engine = Engine(token_budget=24 * spec.length)
        counted_rows.clear()
        path = run(engine, spec, rule, outputs)
        engine.close()
        made.append(sum(counted_rows))
        estimate = estimate_of(path.rule)
        assert set(path.rule.stop_reasons()) == {service_pb.STOP_REASON_TOLERANCE}
        assert path.cost.gradients == estimate.points.sum() <= made[-1]
    assert made[1] < 0.8 * made[0]
    assert path.cost.points == path.cost.rows - 1, "the prediction is a row"


@pytest.mark.parametrize("name", JUDGING_TOKENS)
def test_scores_are_right_to_the_tolerance(load_zoo: LoadZoo, engine: Engine, name: str) -> None:
    spec = spec_of(load_zoo(name, 3, head=TOKEN), TEXT)
    outputs = of_tokens(spec)
    path = run(engine, spec, SeparateRule(TOLERANCE, 1024), outputs)
    estimate, exact = (
        estimate_of(path.rule),
        estimate_of(run(engine, spec, FixedRule(*gauss_legendre(200)), outputs).rule),
    )
    size = np.maximum(np.abs(exact.scores).sum(axis=1), np.abs(exact.f_input - exact.f_baseline))
    held = np.abs(exact.convergence_delta) < 0.5 * TOLERANCE * size
    assert held.sum() > len(outputs) / 2
    wrong = np.abs(estimate.scores - exact.scores).sum(axis=1)
    assert np.mean(wrong[held] <= TOLERANCE * size[held]) > 0.9, "estimated"
    assert (np.abs(estimate.convergence_delta) <= estimate.error_bound * (1 + 1e-9) + 1e-12).all(), "certain"
    for number in (0, len(outputs) // 2):
        alone = estimate_of(
            run(engine, spec, AdaptiveRule(TOLERANCE, 1024), outputs[number : number + 1]).rule
        )
        tokens = np.abs(alone.scores[0]).sum()
        assert np.abs(estimate.scores[number] - alone.scores[0]).max() <= 1e-4 * tokens


def values_of(
    spec: EmbeddingPathSpec, alphas: list[float], outputs: Sequence[Sequence[Output]]
) -> list[PointValue]:
    """What a batch gives for points of a path, of each point's own outputs."""
    path = Path(spec, FixedRule(*gauss_legendre(4)), Recorder([]), None)
    batch = Batch([Slice(path, alphas, tuple(map(tuple, outputs)))])
    while not batch.queued:
        arrival = batch.turn()
    (values,) = batch.values(arrival.tensors())
    return values


@pytest.mark.parametrize(
    ("name", "precision"),
    [
        *((name, pb.PRECISION_FLOAT32) for name in ARCHITECTURES),
        *((name, pb.PRECISION_BFLOAT16) for name in ("bert", "distilbert", "roberta")),
    ],
)
def test_rows_with_outputs_of_their_own_are_as_if_all_had_all(
    load_zoo: LoadZoo, name: str, precision: "pb.Precision.ValueType"
) -> None:
    spec = replace(spec_of(load_zoo(name), TEXT), precision=precision)
    every = [
        ClassOutput(index, None, space)
        for index in range(3)
        for space in (pb.OUTPUT_SPACE_PROBABILITY, pb.OUTPUT_SPACE_LOGIT)
    ]
    asked = [[5, 1, 1, 0], [2], [3, 4, 5, 0, 1], [2, 2]]
    alphas = [1.0, 0.3, 0.7, 0.0]
    whole = values_of(spec, alphas, [every] * 4)
    found = values_of(spec, alphas, [[every[place] for place in own] for own in asked])
    for all_of_it, some, own in zip(whole, found, asked, strict=True):
        expected = all_of_it.value.of(own)
        size = np.abs(expected.token_sums).sum(axis=1, keepdims=True)
        tolerance = 1e-5 if precision == pb.PRECISION_FLOAT32 else 2e-2
        assert (np.abs(some.value.token_sums - expected.token_sums) <= tolerance * size + 1e-12).all()
        for field in ("f", "noise", "log_odds"):
            np.testing.assert_array_equal(getattr(some.value, field), getattr(expected, field))
        assert (some.value.deployed is None) == (expected.deployed is None)
        if some.value.deployed is not None and expected.deployed is not None:
            np.testing.assert_array_equal(some.value.deployed.f, expected.deployed.f)


@pytest.mark.parametrize("tighter", [1e-3, 1e-5])
def test_points_that_are_known_in_part_lack_only_the_rest(
    load_zoo: LoadZoo, tighter: float, engine: Engine
) -> None:
    spec = spec_of(load_zoo("bert", 3, head=TOKEN), TEXT)
    outputs = of_tokens(spec)
    keeping = Engine(kept_bytes=1 << 24)
    first = run(keeping, spec, SeparateRule(1e-2, 1024), outputs)
    second = run(keeping, spec, SeparateRule(tighter, 1024), outputs)
    other = run(keeping, spec, SeparateRule(tighter, 1024), outputs[1::2])
    keeping.close()
    plain = run(engine, spec, SeparateRule(tighter, 1024), outputs)
    assert first.cost.gradients + second.cost.gradients == plain.cost.gradients
    assert other.cost.gradients == other.cost.points == 0
    expected, found = estimate_of(plain.rule), estimate_of(second.rule)
    np.testing.assert_array_equal(found.points, expected.points)
    size = np.abs(expected.scores).sum(axis=1, keepdims=True)
    assert (np.abs(found.scores - expected.scores) <= 1e-5 * size).all()


@pytest.mark.parametrize("budget_rows", [1, 3, 7])
def test_what_batches_there_are_changes_nothing(load_zoo: LoadZoo, engine: Engine, budget_rows: int) -> None:
    spec = spec_of(load_zoo("distilbert", 3, head=TOKEN), TEXT)
    outputs = of_tokens(spec)
    small = Engine(token_budget=budget_rows * spec.length)
    found = estimate_of(run(small, spec, SeparateRule(1e-3, 1024), outputs).rule)
    small.close()
    expected = estimate_of(run(engine, spec, SeparateRule(1e-3, 1024), outputs).rule)
    np.testing.assert_array_equal(found.points, expected.points)
    size = np.abs(expected.scores).sum(axis=1, keepdims=True)
    assert (np.abs(found.scores - expected.scores) <= 1e-5 * size).all()


def test_what_is_expected_is_what_each_target_takes() -> None:
    alone, own = AdaptiveRule(0.01, 1024).forecast(1), SeparateRule(0.01, 1024).forecast(28)
    assert own.expected > AdaptiveRule(0.01, 1024).forecast(28).expected
    each = of_points(1, 40, 28)
    integrals = Integrals(own, each, each)
    expected, most = integrals.expected(1.0, 1024), integrals.at_most(1024)
    assert expected.points == round(own.expected)
    assert expected.gradients == pytest.approx(28 * alone.expected, abs=1)
    assert expected.gradient_tokens == 40 * expected.gradients
    assert (most.points, most.gradients) == (1024, 28 * 1024)


@pytest.mark.parametrize(
    ("explainer", "classes", "options", "separate"),
    [
        ("token_classification", 3, {}, True),
        ("multi_label_classification", 16, {}, True),
        ("multi_label_classification", 15, {}, False),
        ("multi_label_classification", 6, {"retargetable": True}, False),
        ("sequence_classification", 6, {}, False),
        ("token_classification", 3, {"convention": pb.CONVENTION_LIBRARY}, False),
    ],
)
def test_who_has_points_of_their_own(
    load_zoo: LoadZoo, explainer: str, classes: int, options: dict[str, Any], separate: bool
) -> None:
    model = load_zoo("bert", classes, head=HEAD_OF_EXPLAINER[explainer])
    request = service_pb.ExplainRequest(options=pb.ExplainOptions(**options))
    getattr(request, explainer).text = TEXT
    (path,) = PLANNERS[explainer](request, model).paths
    assert isinstance(path.rule, SeparateRule) is separate
