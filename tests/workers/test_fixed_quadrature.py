"""Fixed quadrature rules against integrals that are known in closed form."""

import numpy as np
import pytest

from ligserve.server.workers.quadrature import FixedRule, gauss_legendre, midpoint
from ligserve.v1 import explanation_service_pb2 as pb
from tests.workers.integrands import Integrand, integrate, logistic_sum


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
    assert estimate.points == [22]
    assert rule.stop_reasons() == [pb.STOP_REASON_STEPS]
    true_error = estimate.scores.sum() - exact.sum()
    assert abs(true_error) > 0.01, "the step must be too steep for 20 nodes, or this test shows nothing"
    assert estimate.convergence_delta[0] == pytest.approx(true_error, abs=1e-12)
    assert estimate.error_bound[0] >= abs(true_error)


def test_a_node_on_an_end_of_the_path_is_asked_for_once() -> None:
    integrand = Integrand(lambda alpha: alpha, lambda alpha: [1.0])
    estimate = integrate(FixedRule(np.array([0.0, 1.0]), np.array([0.5, 0.5])), integrand)
    assert estimate.points == [2]
