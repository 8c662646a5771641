"""What an adaptive answer promises, against plain torch, on models of many architectures.

`python -m benchmarks.certified` does so with more texts, architectures and points, and on a real model.
"""

from collections.abc import Callable

import numpy as np
import pytest

from benchmarks.certified import TOLERANCES, Case, bars_that_hold, broken, cases_of
from benchmarks.models.integral import Integrator, graded
from benchmarks.texts import SHORT
from tests.conftest import ZooModel

POINTS = 750
# One for each way to look tokens up, to tell positions, and to make attention; where nothing bends sharply,
# so that so many points are the truth.
NAMES = (
    "bert",
    "roberta",
    "albert",
    "mpnet",
    "deberta-v2",
    "gpt2",
    "modernbert",
    "longformer",
    "xlnet",
    "bart",
    "mt5",
    "llama",
)
# A part of the true scores: how far they are from adding up.
GOOD_REFERENCE = 1e-5
WITH_TOLERANCE = pytest.mark.parametrize("tolerance", TOLERANCES)


@pytest.fixture(scope="module")
def cases(zoo_model: ZooModel) -> list[Case]:
    return list(cases_of({name: zoo_model(name) for name in NAMES}, SHORT[:1], POINTS))


@pytest.fixture(scope="module")
def of(cases: list[Case]) -> Callable[[float], list[Case]]:
    return lambda tolerance: [case for case in cases if case.tolerance == tolerance]


def test_the_reference_is_good_in_every_case(cases: list[Case]) -> None:
    assert len(cases) == len(NAMES) * 9 * len(TOLERANCES)
    assert max(case.reference for case in cases) < GOOD_REFERENCE
    assert min(case.held.size for case in cases) >= 10, "tokens that move"


@WITH_TOLERANCE
def test_no_completeness_error_is_above_its_bound(
    of: Callable[[float], list[Case]], tolerance: float
) -> None:
    assert broken(of(tolerance)) == []
    assert max(case.bound for case in of(tolerance)) <= tolerance * (1 + 1e-3)


@WITH_TOLERANCE
def test_the_scores_errors_in_all_keep_to_the_tolerance(
    of: Callable[[float], list[Case]], tolerance: float
) -> None:
    assert np.mean([case.wrong <= tolerance for case in of(tolerance)]) >= 0.9


@WITH_TOLERANCE
def test_nine_of_ten_bars_hold_the_true_error(of: Callable[[float], list[Case]], tolerance: float) -> None:
    assert bars_that_hold(of(tolerance)) >= 0.9


def test_the_references_rule_is_exact_and_narrow_at_both_ends() -> None:
    alphas, weights = graded(80)
    assert len(alphas) == len(weights) == 2000
    assert (np.diff(alphas) > 0).all()
    assert alphas[0] < 1e-8
    assert 1 - alphas[-1] < 1e-8
    for power in (0, 1, 7, 40):
        assert weights @ alphas**power == pytest.approx(1 / (power + 1), rel=1e-12)
    # A spike within a thousandth, as near as makes no difference.
    assert weights @ (1e-6 / (alphas + 1e-6) ** 2) == pytest.approx(1 / (1 + 1e-6), rel=1e-9)


def test_the_reference_is_told_apart_from_another_path(zoo_model: ZooModel) -> None:
    """Another start, another change: so it is the path's, not any complete attribution."""
    integrator = Integrator(zoo_model("bert"), POINTS)
    pad, other = (integrator.of(SHORT[0], token, [(0, "logit")]) for token in (0, 7))
    assert pad.own_error < GOOD_REFERENCE
    assert other.own_error < GOOD_REFERENCE
    assert abs(pad.changes[0] - other.changes[0]) > 1e-3
