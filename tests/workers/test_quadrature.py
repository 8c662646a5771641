"""Quadrature rules against integrals that are known in closed form."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ligserve.server.workers.quadrature import (
    AdaptiveSimpson,
    FixedRule,
    NodeValue,
    PathEstimate,
    QuadratureRule,
    gauss_legendre,
    midpoint,
)
from ligserve.v1 import explanation_service_pb2 as pb

Array = NDArray[np.float64]


# What a float32 model would state.
NOISE = 1e-6


class Integrand:
    """K = 1 target over T tokens whose token sums add up to f', as the gradient theorem demands."""

    def __init__(self, f: Callable[[float], float], tokens: Callable[[float], list[float]]) -> None:
        self._f, self._tokens = f, tokens
        self.asked: list[float] = []

    def __call__(self, alpha: float) -> NodeValue:
        self.asked.append(alpha)
        f = np.array([self._f(alpha)])
        return NodeValue(f, np.array([self._tokens(alpha)]), NOISE * np.abs(f))


def integrate(rule: QuadratureRule, integrand: Integrand) -> PathEstimate:
    due: list[float] | None = rule.start()
    assert due is not None
    assert due[0] == 1.0
    while due:
        for alpha in due:
            rule.add(alpha, integrand(alpha))
        due = rule.advance()
    estimate = rule.estimate()
    assert estimate is not None
    assert estimate.points == len(integrand.asked) == len(set(integrand.asked))
    return estimate


def logistic_sum(steps: list[tuple[float, float, float]]) -> tuple[Integrand, Array]:
    """One token per (height, centre, width): a logistic step; and the exact score of each."""

    def sigmoid(x: float) -> float:
        return 0.5 * (1 + math.tanh(0.5 * x))

    def value(height: float, centre: float, width: float, alpha: float) -> float:
        return height * sigmoid((alpha - centre) / width)

    def slope(height: float, centre: float, width: float, alpha: float) -> float:
        s = sigmoid((alpha - centre) / width)
        return height / width * s * (1 - s)

    exact = np.array([value(*step, 1.0) - value(*step, 0.0) for step in steps])
    integrand = Integrand(
        lambda alpha: sum(value(*step, alpha) for step in steps),
        lambda alpha: [slope(*step, alpha) for step in steps],
    )
    return integrand, exact


@pytest.mark.parametrize("degree", range(8))
def test_gauss_legendre_is_exact_for_polynomials_of_degree_2n_minus_1(degree: int) -> None:
    nodes, weights = gauss_legendre(4)
    assert (weights * nodes**degree).sum() == pytest.approx(1 / (degree + 1), abs=1e-14)


@pytest.mark.parametrize("n_steps", [1, 2, 3, 5, 10, 50, 51, 333])
def test_gauss_legendre_is_numpys(n_steps: int) -> None:
    nodes, weights = gauss_legendre(n_steps)
    expected_nodes, expected_weights = np.polynomial.legendre.leggauss(n_steps)
    assert nodes == pytest.approx(0.5 * (1 + expected_nodes), abs=1e-15)
    assert weights == pytest.approx(0.5 * expected_weights, rel=1e-11)


def test_gauss_legendre_stays_exact_for_thousands_of_nodes() -> None:
    nodes, weights = gauss_legendre(4096)
    assert weights.sum() == pytest.approx(1.0, abs=1e-13)
    assert (np.diff(nodes) > 0).all()
    assert (weights * nodes**4000).sum() == pytest.approx(1 / 4001, rel=1e-10)


def test_midpoint_weights_sum_to_one_and_are_exact_for_lines() -> None:
    nodes, weights = midpoint(7)
    assert weights.sum() == pytest.approx(1.0)
    assert (weights * nodes).sum() == pytest.approx(0.5)


def test_fixed_rule_reports_the_true_completeness_error() -> None:
    integrand, exact = logistic_sum([(1.0, 0.1, 0.004), (-0.3, 0.6, 0.3)])
    rule = FixedRule(*gauss_legendre(20))
    estimate = integrate(rule, integrand)
    assert estimate.points == 22
    assert rule.stop_reasons() == [pb.STOP_REASON_STEPS]
    true_error = estimate.scores.sum() - exact.sum()
    assert abs(true_error) > 0.01, "the step must be too steep for 20 nodes, or this test shows nothing"
    assert estimate.convergence_delta[0] == pytest.approx(true_error, abs=1e-12)
    assert estimate.error_bound[0] >= abs(true_error)


def test_a_node_on_an_end_of_the_path_is_asked_for_once() -> None:
    integrand = Integrand(lambda alpha: alpha, lambda alpha: [1.0])
    estimate = integrate(FixedRule(np.array([0.0, 1.0]), np.array([0.5, 0.5])), integrand)
    assert estimate.points == 2


def test_simpson_needs_one_round_for_a_cubic() -> None:
    integrand = Integrand(lambda alpha: alpha**4, lambda alpha: [4 * alpha**3])
    rule = AdaptiveSimpson(1e-4, 1024)
    estimate = integrate(rule, integrand)
    assert (estimate.round, estimate.points) == (1, 9)
    assert estimate.scores[0, 0] == pytest.approx(1.0, abs=1e-14)


steps = st.tuples(
    st.floats(-2, 2).filter(lambda height: abs(height) > 0.01),
    st.floats(-0.2, 1.2),
    st.floats(0.01, 1.0),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(steps, min_size=1, max_size=6), st.sampled_from([0.05, 0.01, 0.001]))
def test_simpson_keeps_its_promise(parts: list[tuple[float, float, float]], tolerance: float) -> None:
    integrand, exact = logistic_sum(parts)
    rule = AdaptiveSimpson(tolerance, 4096)
    estimate = integrate(rule, integrand)
    true_error = abs(estimate.scores.sum() - exact.sum())
    assert true_error <= estimate.error_bound[0]
    if rule.stop_reasons() == [pb.STOP_REASON_TOLERANCE]:
        scale = max(abs(exact.sum()), np.abs(estimate.scores).sum())
        assert estimate.error_bound[0] <= tolerance * scale * (1 + 1e-6)
    else:
        assert rule.stop_reasons() == [pb.STOP_REASON_NOISE_FLOOR]
        assert estimate.error_bound[0] <= 1e-4 * max(1.0, abs(exact).sum())


def test_cancelling_residuals_do_not_stop_simpson_early() -> None:
    """Two opposite steps: every sum is 0 at first sight, the scores are not."""
    integrand, exact = logistic_sum([(1.0, 0.3, 0.004), (-1.0, 0.3, 0.004)])
    estimate = integrate(AdaptiveSimpson(0.01, 4096), integrand)
    assert estimate.scores[0] == pytest.approx(exact, abs=0.02)


def test_a_boundary_layer_at_the_baseline_is_resolved() -> None:
    """A zero embedding under a layer norm: f jumps within a thousandth of the path."""
    integrand, exact = logistic_sum([(1.0, 0.0, 2e-4), (0.5, 0.5, 0.2)])
    rule = AdaptiveSimpson(0.01, 1024)
    estimate = integrate(rule, integrand)
    assert rule.stop_reasons() == [pb.STOP_REASON_TOLERANCE]
    assert estimate.scores[0] == pytest.approx(exact, abs=0.015)


def test_a_constant_output_ends_after_one_round() -> None:
    rule = AdaptiveSimpson(0.01, 1024)
    estimate = integrate(rule, Integrand(lambda alpha: 0.7, lambda alpha: [0.0, 0.0]))
    assert estimate.round == 1
    assert rule.stop_reasons() == [pb.STOP_REASON_NOISE_FLOOR]
    assert not estimate.scores.any()


def test_noise_does_not_burn_points() -> None:
    """Rounding of float32 size on a nearly constant output: no tolerance can be certified."""
    generator = np.random.default_rng(0)
    integrand = Integrand(
        lambda alpha: 0.999999 + 1e-7 * generator.standard_normal(),
        lambda alpha: [float(1e-8 * generator.standard_normal())],
    )
    rule = AdaptiveSimpson(0.01, 1024)
    estimate = integrate(rule, integrand)
    assert rule.stop_reasons() == [pb.STOP_REASON_NOISE_FLOOR]
    assert estimate.points < 60


def test_the_cap_on_points_holds() -> None:
    integrand, _ = logistic_sum([(1.0, 0.37, 1e-5)])
    rule = AdaptiveSimpson(1e-4, 31)
    estimate = integrate(rule, integrand)
    assert estimate.points <= 31
    assert rule.stop_reasons() == [pb.STOP_REASON_MAX_POINTS]
    assert estimate.error_bound[0] > 1e-3


def test_targets_on_one_path_are_all_brought_to_the_tolerance() -> None:
    smooth, steep = ((1.0, 0.5, 0.5), (1.0, 0.2, 0.01))
    first, exact_first = logistic_sum([smooth])
    second, exact_second = logistic_sum([steep])

    def both(alpha: float) -> NodeValue:
        a, b = first(alpha), second(alpha)
        return NodeValue(
            np.concatenate([a.f, b.f]),
            np.concatenate([a.token_sums, b.token_sums]),
            np.concatenate([a.noise, b.noise]),
        )

    rule = AdaptiveSimpson(0.01, 1024)
    due = rule.start()
    while due:
        for alpha in due:
            rule.add(alpha, both(alpha))
        due = rule.advance()
    estimate = rule.estimate()
    assert estimate is not None
    assert rule.stop_reasons() == [pb.STOP_REASON_TOLERANCE] * 2
    assert estimate.scores[:, 0] == pytest.approx(np.concatenate([exact_first, exact_second]), rel=0.02)


def test_a_stricter_tolerance_never_gives_a_larger_error() -> None:
    """Down to the noise floor, which is reached whatever is asked for beyond it."""
    errors = []
    for tolerance in (1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-9, 1e-300):
        integrand, _ = logistic_sum([(1.0, 0.3, 0.05), (-0.4, 0.6, 0.1)])
        rule = AdaptiveSimpson(tolerance, 4096)
        errors.append(float(integrate(rule, integrand).error_bound[0]))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-4 * errors[0] + 1e-5
    assert rule.stop_reasons() == [pb.STOP_REASON_NOISE_FLOOR]
