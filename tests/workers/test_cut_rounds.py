"""Answers that the deadline cuts in the middle of a round, on models of every architecture."""

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

# What the second round does not reach.
TIGHT = 1e-5
FEW_TOKENS = 48
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


@dataclass(frozen=True)
class Cut:
    """A path that the deadline cut in the middle of a round.

    Attributes:
        computed: points when it was cut.
        counted: points that its answer rests on.
        cases: its targets.
    """

    computed: int
    counted: int
    cases: list[Case]


@pytest.fixture(scope="module")
def references(load_zoo: LoadZoo) -> dict[tuple[str, str], PathEstimate]:
    engine = Engine()
    found = {
        (name, text): estimated(engine, load_zoo(name), text, FixedRule(*gauss_legendre(100)))
        for name in ARCHITECTURES
        for text in TEXTS
    }
    engine.close()
    return found


@pytest.fixture(scope="module")
def cuts(load_zoo: LoadZoo, references: dict[tuple[str, str], PathEstimate]) -> list[Cut]:
    """Batches of few rows, and the deadline after one or more of them in the second round or a later one."""
    engine = Engine(token_budget=FEW_TOKENS)
    found = []
    for number, ((name, text), exact) in enumerate(references.items()):
        rule = AdaptiveRule(TIGHT, 1024)
        first_round, more = len(rule.start()), 1 + 2 * (number % 6)

        def cut(path: Path, least: int = first_round + more) -> None:
            if path.cost.points >= least:
                path.deadline = 0.0

        recorder = Recorder(OUTPUTS, on_points=cut)
        path = Path(spec_of(load_zoo(name), text), rule, recorder, None)
        engine.submit(path)
        assert recorder.wait().error is None
        answer = rule.estimate()
        assert answer is not None
        if path.cut_by_deadline:
            found.append(Cut(path.cost.points, int(answer.points.max()), cases_of(answer, exact)))
    engine.close()
    return found


def cases_of(answer: PathEstimate, exact: PathEstimate) -> list[Case]:
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


def test_an_answer_that_the_deadline_cuts_rests_on_every_point_and_keeps_its_promises(
    cuts: list[Cut],
) -> None:
    assert len(cuts) >= 20
    assert [cut for cut in cuts if cut.counted != cut.computed] == []
    every = [case for cut in cuts for case in cut.cases]
    assert [case for case in every if case.completeness > case.bound * (1 + 1e-9)] == []
    judged = [case for case in every if case.reference < GOOD_REFERENCE]
    assert len(judged) >= 200
    assert np.concatenate([case.held for case in judged]).mean() >= 0.9
