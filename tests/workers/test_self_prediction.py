"""Paths whose first batch of points tells their prediction, in place of a forward pass of its own."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from ligserve.server.errors import FailedPreconditionError
from ligserve.server.workers.engine.embedding_path import EmbeddingPathSpec
from ligserve.server.workers.engine.engine import Engine
from ligserve.server.workers.engine.outputs import ClassOutput, Output
from ligserve.server.workers.engine.path import Path
from ligserve.server.workers.engine.self_prediction import OUTPUTS_PER_TURN, predicts_itself
from ligserve.server.workers.models.loaded import RowInputs
from ligserve.server.workers.models.precision import Precision
from ligserve.server.workers.quadrature import AdaptiveRule, FixedRule, QuadratureRule, gauss_legendre
from ligserve.v1 import explanation_pb2 as pb
from tests.workers.conftest import LoadZoo, Recorder
from tests.workers.late_device import LateDevice
from tests.workers.test_engine import PROBABILITY, TEXT, hold_engine, spec_of
from tests.zoo import ARCHITECTURES

SHORTER = TEXT.removesuffix(" hated it.")
MAKE_RULES: list[Callable[[], QuadratureRule]] = [
    lambda: AdaptiveRule(1e-3, 512),
    lambda: FixedRule(*gauss_legendre(20)),
]


class Refusing(Recorder):
    """A listener that will not have what was predicted."""

    def predicted(self, logits: Tensor) -> Sequence[Output]:
        raise FailedPreconditionError("not this one", reason="REFUSED")


@pytest.fixture
def load_zoo(load_zoo: LoadZoo) -> LoadZoo:
    """A zoo model that is said to be the same in batches: these with random weights multiply rounding."""
    return lambda *arguments: dataclasses.replace(load_zoo(*arguments), same_in_batches=True)


@pytest.fixture
def kept() -> Iterator[Engine]:
    """An engine that keeps points."""
    running = Engine(kept_bytes=1 << 20)
    yield running
    running.close()


def path_of(
    spec: EmbeddingPathSpec, recorder: Recorder, rule: QuadratureRule, *, itself: bool = True
) -> Path:
    return Path(spec, rule, recorder, None, most_outputs=1 if itself else None)


def done(engine: Engine, path: Path) -> Path:
    engine.submit(path)
    assert isinstance(path.listener, Recorder)
    assert path.listener.wait().error is None
    return path


def scores(path: Path) -> object:
    estimate = path.rule.estimate()
    assert estimate is not None
    return estimate.scores


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("make_rule", MAKE_RULES)
def test_the_prediction_is_the_models_and_costs_no_row(
    load_zoo: LoadZoo, engine: Engine, name: str, make_rule: Callable[[], QuadratureRule]
) -> None:
    spec = spec_of(load_zoo(name), TEXT)
    itself, recorder = Recorder([PROBABILITY]), Recorder([PROBABILITY])
    path = done(engine, path_of(spec, itself, make_rule()))
    usual = done(engine, path_of(spec, recorder, make_rule(), itself=False))
    assert path.cost.rows == path.cost.points
    assert usual.cost.rows == usual.cost.points + 1
    assert path.cost.points == usual.cost.points
    assert itself.heard == recorder.heard
    assert itself.heard[0] == "predicted"
    assert itself.logits is not None
    torch.testing.assert_close(itself.logits, spec.predict(), rtol=1e-5, atol=1e-5)
    assert scores(path) == pytest.approx(scores(usual), rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("looks", [0, 3])
@pytest.mark.parametrize("rows", [1, 4, 64])
def test_no_point_is_begun_that_would_want_to_know_the_prediction(
    load_zoo: LoadZoo, looks: int, rows: int
) -> None:
    model = load_zoo("bert")
    late = dataclasses.replace(model, transfer=LateDevice(looks))
    engine = Engine(token_budget=rows * spec_of(model, TEXT).length)
    expected = done(engine, path_of(spec_of(model, TEXT), Recorder([PROBABILITY]), MAKE_RULES[1]()))
    path = done(engine, path_of(spec_of(late, TEXT), Recorder([PROBABILITY]), MAKE_RULES[1]()))
    engine.close()
    assert path.cost == expected.cost
    assert path.cost.batches == -(-22 // rows)
    assert scores(path) == pytest.approx(scores(expected), rel=1e-5, abs=1e-8)


def test_mates_do_not_suffer_from_those_who_leave(load_zoo: LoadZoo, engine: Engine) -> None:
    model = load_zoo("bert")
    recorders = [Refusing([PROBABILITY]), Recorder([PROBABILITY]), Recorder([]), Recorder([PROBABILITY])]
    texts = (TEXT, SHORTER, TEXT, SHORTER)
    paths = [
        path_of(spec_of(model, text), recorder, MAKE_RULES[1]())
        for text, recorder in zip(texts, recorders, strict=True)
    ]
    paths[3] = path_of(spec_of(model, SHORTER), recorders[3], MAKE_RULES[1](), itself=False)
    hold_engine(engine, model, paths)
    assert isinstance(recorders[0].wait().error, FailedPreconditionError)
    assert [recorder.wait().error for recorder in recorders[1:]] == [None] * 3
    alone = done(engine, path_of(spec_of(model, SHORTER), Recorder([PROBABILITY]), MAKE_RULES[1]()))
    assert scores(paths[1]) == pytest.approx(scores(alone), rel=1e-5, abs=1e-8)
    assert scores(paths[3]) == pytest.approx(scores(alone), rel=1e-5, abs=1e-8)
    assert paths[2].cost.points == 0, "it had nothing to explain"
    assert paths[0].cost.points == 0


def test_a_refused_path_alone_leaves_nothing_behind(load_zoo: LoadZoo, engine: Engine) -> None:
    spec, bad = spec_of(load_zoo("bert"), TEXT), Refusing([PROBABILITY])
    engine.submit(path_of(spec, bad, MAKE_RULES[0]()))
    assert isinstance(bad.wait().error, FailedPreconditionError)
    done(engine, path_of(spec, Recorder([PROBABILITY]), MAKE_RULES[0]()))
    assert engine.tally.late_points == 0


@pytest.mark.parametrize("most", [1, 3])
def test_where_memory_is_short_a_forward_pass_comes_first(
    load_zoo: LoadZoo, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    model, whole = load_zoo("bert"), EmbeddingPathSpec.run

    def narrow(
        spec: EmbeddingPathSpec,
        rows: Sequence[RowInputs],
        moved: Sequence[Tensor],
        precision: Precision = pb.PRECISION_FLOAT32,
    ) -> Tensor:
        if len(rows) > most:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return whole(spec, rows, moved, precision)

    spec = spec_of(model, TEXT)
    engine = Engine(token_budget=8 * spec.length)
    expected = done(engine, path_of(spec, Recorder([PROBABILITY]), MAKE_RULES[1]()))
    monkeypatch.setattr(EmbeddingPathSpec, "run", narrow)
    alone = done(engine, path_of(spec, Recorder([PROBABILITY]), MAKE_RULES[1]()))
    mates = [path_of(spec, Recorder([PROBABILITY]), MAKE_RULES[1]()) for _ in range(3)]
    hold_engine(engine, model, mates)
    for path in (alone, *mates):
        assert isinstance(path.listener, Recorder)
        assert path.listener.wait().error is None
        assert path.listener.heard.count("predicted") == 1
        assert path.cost.points == 22
        assert scores(path) == pytest.approx(scores(expected), rel=1e-5, abs=1e-8)
    engine.close()


def test_an_input_that_is_known_is_predicted_by_itself(load_zoo: LoadZoo, kept: Engine) -> None:
    spec = spec_of(load_zoo("bert"), TEXT)
    first = done(kept, path_of(spec, Recorder([PROBABILITY]), AdaptiveRule(1e-2, 512)))
    again = done(kept, path_of(spec, Recorder([PROBABILITY]), AdaptiveRule(1e-2, 512)))
    assert (again.cost.points, again.cost.rows) == (0, 1)
    assert scores(again) == pytest.approx(scores(first), rel=0, abs=0)


def test_only_a_pass_as_deployed_that_is_one_turn_predicts(load_zoo: LoadZoo) -> None:
    spec, rule = spec_of(load_zoo("bert"), TEXT), AdaptiveRule(1e-2, 512)
    ends = FixedRule(*gauss_legendre(5))
    for end in (0.0, 1.0):
        ends.know(end, np.zeros(1), np.zeros(1))
    assert predicts_itself(spec, rule, OUTPUTS_PER_TURN)
    assert not predicts_itself(spec, rule, OUTPUTS_PER_TURN + 1)
    assert not predicts_itself(spec, ends, 1), "the input is none of its points"
    assert not predicts_itself(spec, rule, 1, [ClassOutput(0, None, pb.OUTPUT_SPACE_LOGIT)])
    assert not predicts_itself(dataclasses.replace(spec, precision=pb.PRECISION_BFLOAT16), rule, 1)
    coarse = dataclasses.replace(spec.model, same_in_batches=False)
    assert not predicts_itself(dataclasses.replace(spec, model=coarse), rule, 1)
    assert not predicts_itself(dataclasses.replace(spec, prediction_row=dict(spec.row)), rule, 1)
