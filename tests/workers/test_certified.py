"""What an adaptive answer promises, held against hundreds of targets on models of every architecture."""

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.texts import SHORT
from ligserve.server.workers.engine.engine import Engine
from ligserve.server.workers.engine.outputs import ClassOutput
from ligserve.server.workers.engine.path import Path
from ligserve.server.workers.models.loaded import TextModel
from ligserve.server.workers.quadrature import (
    AdaptiveRule,
    FixedRule,
    PathEstimate,
    QuadratureRule,
    gauss_legendre,
)
from ligserve.v1 import explanation_pb2 as pb
from tests.workers.conftest import LoadZoo, Recorder
from tests.workers.test_engine import spec_of
from tests.zoo import ARCHITECTURES

TOLERANCE = 0.01
TEXTS = SHORT[:2]
SPACES = [space for space in pb.OutputSpace.values() if space]
OUTPUTS = [ClassOutput(index, None, space) for index in range(3) for space in SPACES]
# A reference that is not this good itself cannot judge single scores.
GOOD_REFERENCE = 1e-4


@dataclass(frozen=True)
class Case:
    """One target of one path; all relative to max(|df|, sum |scores|)."""

    completeness: float
    bound: float
    wrong: float
    reference: float
    held: NDArray[np.bool_]


@pytest.fixture(scope="module")
def cases(load_zoo: LoadZoo) -> list[Case]:
    engine = Engine()
    found = [
        case for name in ARCHITECTURES for text in TEXTS for case in cases_of(engine, load_zoo(name), text)
    ]
    engine.close()
    return found


def cases_of(engine: Engine, model: TextModel, text: str) -> list[Case]:
    answer = estimated(engine, model, text, AdaptiveRule(TOLERANCE, 1024))
    exact = estimated(engine, model, text, FixedRule(*gauss_legendre(100)))
    assert answer.score_errors is not None
    change = answer.f_input - answer.f_baseline
    scale = np.maximum(np.abs(change), np.abs(answer.scores).sum(axis=1))
    wrong = np.abs(answer.scores - exact.scores)
    rounding = 1e-6 * scale[:, None]
    return [
        Case(
            completeness=abs(answer.scores[row].sum() - change[row]) / scale[row],
            bound=answer.error_bound[row] / scale[row],
            wrong=wrong[row].sum() / scale[row],
            reference=abs(exact.convergence_delta[row]) / scale[row],
            held=wrong[row] <= (answer.score_errors + rounding)[row],
        )
        for row in range(len(OUTPUTS))
    ]


def estimated(engine: Engine, model: TextModel, text: str, rule: QuadratureRule) -> PathEstimate:
    recorder = Recorder(OUTPUTS)
    engine.submit(Path(spec_of(model, text), rule, recorder, None))
    assert recorder.wait().error is None
    estimate = rule.estimate()
    assert estimate is not None
    return estimate


def test_no_completeness_error_is_above_its_bound(cases: list[Case]) -> None:
    assert len(cases) >= 300
    assert [case for case in cases if case.completeness > case.bound * (1 + 1e-9)] == []
    assert max(case.bound for case in cases) <= TOLERANCE


def test_the_scores_errors_in_all_keep_to_the_tolerance(cases: list[Case]) -> None:
    judged = [case for case in cases if case.reference < GOOD_REFERENCE]
    assert len(judged) >= 250, "of smooth paths the reference is good"
    assert np.mean([case.wrong <= TOLERANCE for case in judged]) >= 0.95


def test_nine_of_ten_bars_hold_the_true_error(cases: list[Case]) -> None:
    judged = [case for case in cases if case.reference < GOOD_REFERENCE]
    assert np.concatenate([case.held for case in judged]).mean() >= 0.9
