"""Points of coarse arithmetic: its noise is told from curves, and counted once."""

from collections.abc import Callable

import numpy as np
import pytest

from ligserve.server.workers.engine.rounding import ROUNDINGS
from ligserve.server.workers.quadrature import AdaptiveRule, EndValue, NodeValue, PathEstimate
from ligserve.server.workers.quadrature.adaptive import FIRST_POINTS
from ligserve.v1 import explanation_pb2 as pb
from ligserve.v1 import explanation_service_pb2 as service_pb
from tests.workers.integrands import Array, Integrand, logistic_sum

TOLERANCE = 0.05
SHARE = ROUNDINGS[pb.PRECISION_BFLOAT16].scores
# Of f, and of each token's gradient as a part of the mean one.
F_NOISE, TOKEN_NOISE = 0.002, 0.01
FLAT = [(1.0, 0.5, 2.0)] * 20 + [(-0.4, 0.2, 2.0)] * 10
STEEP = [*FLAT, (20.0, 0.37, 0.015), (8.0, 0.45, 0.02)]


def rounded(
    integrand: Integrand, size: float, seed: int, *, told: bool = True
) -> Callable[[float], NodeValue]:
    """The integrand, whose scores have this size, with noise at every point; whether it says so."""
    random = np.random.default_rng(seed)

    def value(alpha: float) -> NodeValue:
        exact = integrand(alpha)
        mean = np.abs(exact.token_sums).mean()
        noise = TOKEN_NOISE * mean * random.standard_normal(exact.token_sums.shape)
        f = exact.f + F_NOISE * size * random.standard_normal(1)
        return NodeValue(
            f=f,
            token_sums=exact.token_sums + noise,
            noise=np.full(1, 2 * F_NOISE * size) if told else exact.noise,
            log_odds=exact.log_odds,
            score_noise=SHARE if told else 0.0,
            deployed=EndValue(exact.f, exact.noise) if told and alpha in (0.0, 1.0) else None,
        )

    return value


def integrated(points: Callable[[float], NodeValue]) -> tuple[PathEstimate, AdaptiveRule]:
    rule = AdaptiveRule(TOLERANCE, 200)
    due = rule.start()
    while due:
        for alpha in due:
            rule.add(alpha, points(alpha))
        due = rule.advance()
    estimate = rule.estimate()
    assert estimate is not None
    return estimate, rule


@pytest.mark.parametrize("seed", range(5))
def test_noise_of_the_size_that_is_told_asks_for_no_second_round(seed: int) -> None:
    integrand, exact = logistic_sum(FLAT)
    found, rule = integrated(rounded(integrand, np.abs(exact).sum(), seed))
    assert found.points.tolist() == [len(FIRST_POINTS)]
    assert rule.stop_reasons() == [service_pb.STOP_REASON_TOLERANCE]
    assert np.abs(found.scores[0] - exact).sum() <= TOLERANCE * np.abs(exact).sum()


def test_the_same_noise_untold_is_taken_for_curves() -> None:
    """Else the test above tells nothing apart."""
    integrand, exact = logistic_sum(FLAT)
    found = [integrated(rounded(integrand, np.abs(exact).sum(), seed, told=False))[0] for seed in range(5)]
    assert np.mean([each.points[0] for each in found]) > 2 * len(FIRST_POINTS)


@pytest.mark.parametrize("seed", range(5))
def test_curves_beyond_the_noise_are_resolved_all_the_same(seed: int) -> None:
    integrand, exact = logistic_sum(STEEP)
    found, _ = integrated(rounded(integrand, np.abs(exact).sum(), seed))
    assert found.points[0] > len(FIRST_POINTS)
    assert np.abs(found.scores[0] - exact).sum() <= TOLERANCE * np.abs(exact).sum()
    assert abs(found.scores.sum() - exact.sum()) <= found.error_bound[0]


def test_nine_in_ten_of_noisy_scores_are_within_their_bars() -> None:
    integrand, exact = logistic_sum(STEEP)
    held = []
    for seed in range(60):
        found, _ = integrated(rounded(integrand, np.abs(exact).sum(), seed))
        assert found.score_errors is not None
        held.append((np.abs(found.scores[0] - exact) <= found.score_errors[0]).mean())
    assert np.mean(held) >= 0.9


def test_noise_that_is_told_far_too_large_hides_no_curve() -> None:
    integrand, exact = logistic_sum(STEEP)
    size = float(np.abs(exact).sum())

    def cautious(alpha: float) -> NodeValue:
        value = integrand(alpha)
        return NodeValue(value.f, value.token_sums, np.full(1, size), value.log_odds, SHARE)

    found, _ = integrated(cautious)
    wrong = np.abs(found.scores[0] - exact)
    assert found.score_error_sum is not None
    assert wrong.sum() <= found.score_error_sum[0]


def test_rounding_is_shared_out_by_size_and_evenly_among_tokens_that_move() -> None:
    sizes = np.array([8.0, 1.0, -1.0, 0.0])
    line = Integrand(lambda alpha: alpha * sizes.sum(), lambda alpha: sizes.tolist())

    def points(alpha: float) -> NodeValue:
        value = line(alpha)
        return NodeValue(value.f, value.token_sums, value.noise, value.log_odds, SHARE)

    found, _ = integrated(points)
    assert found.score_errors is not None
    assert found.score_error_sum is not None
    bars: Array = found.score_errors[0]
    even = 10.0 / 3
    assert bars == pytest.approx(SHARE * np.array([8 + even, 1 + even, 1 + even, 0]), rel=1e-3)
    assert bars.sum() == pytest.approx(found.score_error_sum[0], rel=1e-3)
