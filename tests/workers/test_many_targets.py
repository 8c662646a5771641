"""Several targets on one path: later rounds are only for those that are not done."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from ligserve.server.workers.engine.engine import Engine
from ligserve.server.workers.engine.outputs import ClassOutput, Output
from ligserve.server.workers.engine.path import Path
from ligserve.server.workers.quadrature import (
    AdaptiveRule,
    FixedRule,
    PathEstimate,
    QuadratureRule,
    gauss_legendre,
)
from ligserve.v1 import explanation_pb2 as pb
from ligserve.v1 import explanation_service_pb2 as service_pb
from tests.workers.conftest import LoadZoo, Recorder
from tests.workers.test_engine import TEXT, spec_of

RunPath = Callable[..., Path]
TOLERANCE = 1e-3


@dataclass(frozen=True)
class Steep:
    """A steep probability, one half where the logits are `middle` apart; it keeps its log-odds to itself."""

    factor: float
    middle: float

    def __call__(self, logits: Tensor) -> Tensor:
        return torch.sigmoid(self.factor * (logits[:, 1] - logits[:, 0] - self.middle))

    def noise(self, logits: Tensor) -> Tensor:
        return torch.full_like(logits[:, 0], 1e-6 * self.factor)

    def log_odds(self, logits: Tensor) -> Tensor:
        return torch.full_like(logits[:, 0], torch.nan)


@pytest.fixture
def outputs(load_zoo: LoadZoo) -> list[Output]:
    """Two that are easy, and two that jump where the path is half way between its ends."""
    spec = spec_of(load_zoo("bert"), TEXT)
    with torch.no_grad():
        ends = [spec.run([spec.row], [each[end][None] for each in spec.ends()])[0] for end in (0, 1)]
    middle = float(sum(logits[1] - logits[0] for logits in ends) / 2)
    return [
        ClassOutput(0, None, pb.OUTPUT_SPACE_PROBABILITY),
        Steep(12.0, middle),
        ClassOutput(1, 2, pb.OUTPUT_SPACE_LOGIT),
        Steep(40.0, middle),
    ]


@pytest.fixture
def path_of(load_zoo: LoadZoo, engine: Engine) -> RunPath:
    """Runs a path for some outputs under a rule."""

    def run(rule: QuadratureRule, *outputs: Output) -> Path:
        recorder = Recorder(outputs)
        path = Path(spec_of(load_zoo("bert"), TEXT), rule, recorder, None)
        engine.submit(path)
        assert recorder.wait().error is None
        return path

    return run


def estimate_of(path: Path) -> PathEstimate:
    estimate = path.rule.estimate()
    assert estimate is not None
    return estimate


def test_a_target_that_is_done_costs_no_backward_pass(path_of: RunPath, outputs: list[Output]) -> None:
    path = path_of(AdaptiveRule(TOLERANCE, 1024), *outputs)
    estimate = estimate_of(path)
    assert path.rule.stop_reasons() == [service_pb.STOP_REASON_TOLERANCE] * 4
    assert estimate.points[0] == estimate.points[2] < estimate.points[1] < estimate.points[3]
    assert path.cost.points == estimate.points[3]
    assert path.cost.gradients == estimate.points.sum()


def test_every_target_is_right_whenever_it_was_done(path_of: RunPath, outputs: list[Output]) -> None:
    estimate = estimate_of(path_of(AdaptiveRule(TOLERANCE, 1024), *outputs))
    exact = estimate_of(path_of(FixedRule(*gauss_legendre(256)), *outputs))
    size = np.abs(exact.scores).sum(axis=1)
    assert (np.abs(exact.convergence_delta) < 1e-4 * size).all(), "or it says nothing"
    assert (np.abs(estimate.scores - exact.scores).sum(axis=1) <= TOLERANCE * size).all()
    alone = estimate_of(path_of(AdaptiveRule(TOLERANCE, 1024), outputs[0]))
    assert estimate.scores[0] == pytest.approx(alone.scores[0], rel=1e-5, abs=1e-7)
