"""Points that are known from an earlier path over the same input."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from ligserve.server.workers.engine.embedding_path import EmbeddingPathSpec
from ligserve.server.workers.engine.engine import Engine
from ligserve.server.workers.engine.outputs import ClassOutput
from ligserve.server.workers.engine.path import Path
from ligserve.server.workers.quadrature import AdaptiveRule, FixedRule, PathEstimate, gauss_legendre
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
