"""Points that are known from an earlier path over the same input."""

import tracemalloc
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from ligserve.server.workers.engine.embedding_path import EmbeddingPathSpec
from ligserve.server.workers.engine.engine import Engine
from ligserve.server.workers.engine.kept_points import KeptPoints
from ligserve.server.workers.engine.outputs import ClassOutput, Output
from ligserve.server.workers.engine.path import Path
from ligserve.server.workers.quadrature import (
    AdaptiveRule,
    FixedRule,
    NodeValue,
    PathEstimate,
    gauss_legendre,
)
from ligserve.v1 import explanation_pb2 as pb
from tests.workers.conftest import LoadZoo, Recorder
from tests.workers.test_engine import TEXT, spec_of

PROBABILITY, LOG_ODDS, LOGIT = (
    pb.OUTPUT_SPACE_PROBABILITY,
    pb.OUTPUT_SPACE_LOG_ODDS,
    pb.OUTPUT_SPACE_LOGIT,
)
SPACES = (PROBABILITY, LOG_ODDS, LOGIT)
MIB = 1 << 20


@pytest.fixture
def keeping() -> Iterator[Engine]:
    engine = Engine(kept_bytes=MIB)
    yield engine
    engine.close()


def run(
    engine: Engine, spec: EmbeddingPathSpec, *outputs: ClassOutput, tolerance: float = 0.01, **options: Any
) -> Path:
    recorder = Recorder(outputs)
    path = Path(spec, AdaptiveRule(tolerance, 512), recorder, None, **options)
    engine.submit(path)
    assert recorder.wait().error is None
    return path


def estimate(path: Path) -> PathEstimate:
    found = path.rule.estimate()
    assert found is not None
    return found


def every_class(count: int) -> Sequence[ClassOutput]:
    return [ClassOutput(index, None, LOGIT) for index in range(count)]


def some_text(number: int) -> str:
    """Another text for each number below 512."""
    return " ".join("good" if number >> bit & 1 else "bad" for bit in range(9))


def every_pair() -> tuple[Output, ...]:
    return tuple(ClassOutput(index, None, PROBABILITY) for index in range(2))


def assert_alike(found: Path, computed: Path) -> None:
    """Equal but for the rounding of float32 gradients."""
    mine, theirs = estimate(found), estimate(computed)
    scale = np.abs(theirs.scores).sum(axis=1, keepdims=True)
    assert np.abs(mine.scores - theirs.scores).max() < 1e-5 * scale.max()
    assert np.allclose(mine.f_input, theirs.f_input, rtol=0, atol=1e-12)
    assert np.allclose(mine.f_baseline, theirs.f_baseline, rtol=0, atol=1e-12)
    assert found.rule.stop_reasons() == computed.rule.stop_reasons()


@pytest.mark.parametrize("space", SPACES[:2])
def test_of_two_classes_one_tells_the_other(
    load_zoo: LoadZoo, keeping: Engine, engine: Engine, space: "pb.OutputSpace.ValueType"
) -> None:
    spec = spec_of(load_zoo("bert", 2), TEXT)
    run(keeping, spec, ClassOutput(0, None, PROBABILITY))
    others = [ClassOutput(1, None, space), ClassOutput(0, 1, LOGIT)]
    again = run(keeping, spec, *others)
    assert again.cost.reused >= 15
    assert again.cost.points <= 4, "other outputs may want a point elsewhere"
    assert_alike(again, run(engine, spec, *others))


def test_a_third_class_does_not_follow_from_another(load_zoo: LoadZoo, keeping: Engine) -> None:
    spec = spec_of(load_zoo("bert"), TEXT)
    first = run(keeping, spec, ClassOutput(0, None, PROBABILITY))
    again = run(keeping, spec, ClassOutput(1, None, PROBABILITY))
    assert first.cost.reused == again.cost.reused == 0


@pytest.mark.parametrize("count", [2, 3])
def test_every_output_follows_from_all_logits(
    load_zoo: LoadZoo, keeping: Engine, engine: Engine, count: int
) -> None:
    spec = spec_of(load_zoo("bert", count), TEXT)
    first = run(keeping, spec, ClassOutput(0, None, PROBABILITY), basis=every_class(count), tolerance=0.001)
    assert first.cost.gradients == count * first.cost.points
    assert_alike(first, run(engine, spec, ClassOutput(0, None, PROBABILITY), tolerance=0.001))
    others = [ClassOutput(index, None, space) for index in range(count) for space in SPACES]
    others += [ClassOutput(0, 1, space) for space in SPACES]
    for output in others:
        again = run(keeping, spec, output, tolerance=0.05)
        assert again.cost.points == 0, output
        assert again.cost.rows == 1, "its prediction"
        assert_alike(again, run(engine, spec, output, tolerance=0.05))


def test_a_tighter_tolerance_pays_only_the_new_points(
    load_zoo: LoadZoo, keeping: Engine, engine: Engine
) -> None:
    spec, output = spec_of(load_zoo("gpt2", 2), TEXT), ClassOutput(1, None, PROBABILITY)
    first = run(keeping, spec, output, tolerance=0.05)
    again = run(keeping, spec, output, tolerance=0.0005)
    alone = run(engine, spec, output, tolerance=0.0005)
    assert again.cost.reused == first.cost.points
    assert again.cost.points == alone.cost.points - first.cost.points
    assert np.array_equal(estimate(again).points, estimate(alone).points)
    assert_alike(again, alone)
    third = run(keeping, spec, output, tolerance=0.0005)
    assert third.cost.points == 0
    assert np.array_equal(estimate(third).scores, estimate(again).scores)


def test_fixed_steps_are_known_too(load_zoo: LoadZoo, keeping: Engine) -> None:
    spec, output = spec_of(load_zoo("bert", 2), TEXT), ClassOutput(1, None, PROBABILITY)
    paths = [Path(spec, FixedRule(*gauss_legendre(20)), Recorder([output]), None) for _ in range(2)]
    for path in paths:
        keeping.submit(path)
        assert isinstance(path.listener, Recorder)
        assert path.listener.wait().error is None
    first, again = paths
    assert (first.cost.points, again.cost.points, again.cost.reused) == (22, 0, 22)
    assert np.allclose(estimate(first).scores, estimate(again).scores, rtol=1e-12, atol=0)


def test_other_inputs_baselines_and_layers_have_points_of_their_own(
    load_zoo: LoadZoo, keeping: Engine
) -> None:
    model, output = load_zoo("bert", 2), ClassOutput(1, None, PROBABILITY)
    specs = [
        spec_of(model, TEXT),
        spec_of(model, TEXT + "!"),
        spec_of(model, TEXT, pb.EMBEDDING_LAYER_POSITION),
        spec_of(load_zoo("electra", 2), TEXT),
    ]
    specs.append(
        EmbeddingPathSpec(model, specs[0].layer, specs[0].row, specs[1].row, specs[0].prediction_row)
        if specs[1].length == specs[0].length
        else EmbeddingPathSpec(
            model,
            specs[0].layer,
            specs[0].row,
            specs[0].row,
            specs[0].prediction_row,
            specs[0].row["input_ids"] > 5,
        )
    )
    for spec in specs:
        assert run(keeping, spec, output).cost.reused == 0


def test_memory_is_bounded_and_the_oldest_go_first(load_zoo: LoadZoo) -> None:
    model, output = load_zoo("bert", 2), ClassOutput(1, None, PROBABILITY)
    one = spec_of(model, TEXT)
    engine = Engine(kept_bytes=60_000)
    texts = [f"{TEXT} {number}" for number in range(12)]
    for text in texts:
        run(engine, spec_of(model, text), output)
        assert run(engine, one, output).cost.points >= 0
    # `one` was asked about all the time, the first text long ago.
    assert run(engine, one, output).cost.points == 0
    assert run(engine, spec_of(model, texts[0]), output).cost.reused == 0
    engine.close()


def test_nothing_is_kept_of_a_path_that_is_larger_than_the_memory(load_zoo: LoadZoo) -> None:
    spec, output = spec_of(load_zoo("bert", 2), TEXT), ClassOutput(1, None, PROBABILITY)
    engine = Engine(kept_bytes=1000)
    first, again = run(engine, spec, output), run(engine, spec, output)
    assert again.cost.reused == 0
    assert np.allclose(estimate(first).scores, estimate(again).scores, rtol=1e-6, atol=1e-9)
    engine.close()


def test_requests_that_end_before_their_first_point_leave_nothing(load_zoo: LoadZoo) -> None:
    model = load_zoo("bert", 2)
    points = KeptPoints(MIB)
    specs = [spec_of(model, some_text(number)) for number in range(20)]
    before = [points.of(spec, points) for spec in specs]
    assert all(each is not None for each in before)
    assert points.paths == 20
    del before
    assert points.paths == 0


def test_requests_at_the_same_time_share_what_they_find(load_zoo: LoadZoo) -> None:
    points, spec = KeptPoints(MIB), spec_of(load_zoo("bert", 2), TEXT)
    assert points.of(spec, points) is points.of(spec_of(load_zoo("bert", 2), TEXT), points)


@pytest.mark.parametrize(("classes", "tokens"), [(2, 16), (1000, 16), (2, 2000)])
def test_what_points_take_is_counted(load_zoo: LoadZoo, classes: int, tokens: int) -> None:
    points, number = KeptPoints(1 << 30), 200
    kept = [points.of(spec_of(load_zoo("bert", 2), some_text(path)), Recorder([])) for path in range(10)]
    tracemalloc.start()
    try:
        for path in kept:
            assert path is not None
            for point in range(number):
                value = NodeValue(np.zeros(2), np.zeros((2, tokens)), np.zeros(2), np.zeros(2))
                path.put(point / number, torch.zeros(classes, dtype=torch.float64), every_pair(), value)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 0.9 * taken < points.bytes < 1.5 * taken


def test_counting_does_not_look_at_what_is_kept_already(load_zoo: LoadZoo) -> None:
    """Every byte that is taken is counted once, and given back once."""
    points, model = KeptPoints(200_000), load_zoo("bert", 2)
    value = NodeValue(np.zeros(1), np.zeros((1, 50)), np.zeros(1), np.zeros(1))
    for number in range(400):
        path = points.of(spec_of(model, some_text(number)), Recorder([]))
        assert path is not None
        for alpha in (0.0, 0.5, 1.0):
            path.put(alpha, torch.zeros(2, dtype=torch.float64), every_pair()[:1], value)
        assert points.bytes <= 200_000
        assert points.bytes % path.bytes == 0
    assert points.bytes > 100_000


def test_of_a_text_larger_than_the_memory_the_first_windows_stay(load_zoo: LoadZoo) -> None:
    points, model = KeptPoints(100_000), load_zoo("bert", 2)
    value = NodeValue(np.zeros(1), np.zeros((1, 50)), np.zeros(1), np.zeros(1))
    specs = [spec_of(model, some_text(number)) for number in range(100)]

    def known(asked: Sequence[EmbeddingPathSpec]) -> list[bool]:
        owner, found = Recorder([]), []
        for path in [points.of(spec, owner) for spec in asked]:
            assert path is not None
            found.append(bool(path.values([0.5], lambda _: every_pair()[:1])))
            path.put(0.5, torch.zeros(2, dtype=torch.float64), every_pair()[:1], value)
        return found

    assert known(specs[-1:]) == [False]
    assert not any(known(specs[:-1]))
    again = known(specs[:-1])
    assert sum(again) > 10
    assert again == sorted(again, reverse=True), "the first ones"
    assert known(specs[-1:]) == [False], "what was asked before the long text is forgotten"


@pytest.mark.parametrize("kept_bytes", [8_000, MIB])
def test_nothing_is_paid_for_points_that_are_not_kept(load_zoo: LoadZoo, kept_bytes: int) -> None:
    """All classes are evaluated only as long as their points are kept."""
    spec, output = spec_of(load_zoo("bert", 3), TEXT), ClassOutput(0, None, PROBABILITY)
    keeping = Engine(token_budget=4 * spec.length, kept_bytes=kept_bytes)
    path = run(keeping, spec, output, basis=every_class(3), tolerance=0.001)
    keeping.close()
    if kept_bytes == MIB:
        assert path.cost.gradients == 3 * path.cost.points
    else:
        assert path.cost.gradients < 2 * path.cost.points


def test_only_what_is_not_known_is_evaluated(load_zoo: LoadZoo, keeping: Engine, engine: Engine) -> None:
    spec = spec_of(load_zoo("bert"), TEXT)
    outputs = [ClassOutput(index, None, PROBABILITY) for index in range(3)]
    first = run(keeping, spec, outputs[1])
    every = run(keeping, spec, *outputs)
    assert every.cost.points == first.cost.points
    assert every.cost.gradients == 2 * first.cost.points
    assert_alike(every, run(engine, spec, *outputs))
    again = run(keeping, spec, *outputs)
    assert again.cost.points == 0
    assert np.array_equal(estimate(again).scores, estimate(every).scores)


def test_points_of_which_much_or_little_is_known_are_not_mixed_up(
    load_zoo: LoadZoo, keeping: Engine, engine: Engine
) -> None:
    """Some points know one class, some two, some none."""
    spec = spec_of(load_zoo("gpt2"), TEXT)
    outputs = [ClassOutput(index, None, PROBABILITY) for index in range(3)]
    run(keeping, spec, outputs[1], tolerance=0.001)
    run(keeping, spec, outputs[2], tolerance=0.05)
    every = run(keeping, spec, *outputs, tolerance=0.0001)
    alone = run(engine, spec, *outputs, tolerance=0.0001)
    assert every.cost.gradients < alone.cost.gradients
    assert_alike(every, alone)
    basis = run(keeping, spec, outputs[0], tolerance=0.00003, basis=every_class(3))
    assert_alike(basis, run(engine, spec, outputs[0], tolerance=0.00003))
