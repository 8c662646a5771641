"""The adaptive rule: worked out by hand, against closed forms, and its promises."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ligserve.server.workers.quadrature import AdaptiveRule, PathEstimate
from ligserve.server.workers.quadrature import samples as samples_module
from ligserve.server.workers.quadrature.correction import CANCELLATION
from ligserve.server.workers.quadrature.findings import findings
from ligserve.server.workers.quadrature.panels import panels
from ligserve.server.workers.quadrature.refinement import DECAY, splits
from ligserve.server.workers.quadrature.samples import Samples, samples
from ligserve.v1 import explanation_service_pb2 as pb
from tests.workers.integrands import Integrand, integrate, logistic_sum

Array = NDArray[np.float64]
FIRST_ROUND = 15


def sampled(integrand: Integrand, *alphas: float) -> Samples:
    return samples({alpha: integrand(alpha) for alpha in alphas})


def probability(slope: float, centre: float) -> Integrand:
    """A probability whose log-odds are a straight line, from two tokens that pull against each other."""

    def log_odds(alpha: float) -> float:
        return max(-700.0, slope * (alpha - centre))

    def f(alpha: float) -> float:
        return 1 / (1 + math.exp(-log_odds(alpha)))

    def tokens(alpha: float) -> list[float]:
        p = f(alpha)
        return [1.5 * slope * p * (1 - p), -0.5 * slope * p * (1 - p)]

    return Integrand(f, tokens, log_odds)


def gradients(held: Samples) -> Array:
    """(K, n, T), all tokens at once."""
    return np.concatenate([part for _, part in held.gradients()], axis=2)


def test_residuals_by_hand() -> None:
    """5 a^4 less the cubic through 0, 1/3, 2/3, 1 is 5 a (a - 1/3) (a - 2/3) (a - 1)."""
    held = sampled(Integrand(lambda a: a**5, lambda a: [5 * a**4]), 0.0, 1 / 3, 2 / 3, 1.0)
    found = panels(held)
    assert found.residuals[0] == pytest.approx([-19 / 1458, 11 / 1458, -19 / 1458])
    exact = np.diff([0.0, 1 / 243, 32 / 243, 1.0])
    assert (found.integral @ gradients(held))[0, :, 0] == pytest.approx(exact - found.residuals[0])
    assert (found.bend @ gradients(held))[0, 0, 0] == pytest.approx((5 * (2 / 3) ** 4 / 2 - 5 / 81) * 9)


def test_four_points_meet_a_cubic() -> None:
    held = sampled(Integrand(lambda a: a**4, lambda a: [3 * a**3, a**3]), 0.0, 0.25, 0.375, 0.75, 1.0)
    found = panels(held)
    assert found.residuals[0] == pytest.approx([0.0] * 4, abs=1e-15)
    exact = np.array([0.75, 0.25]) * (0.75**4 - 0.375**4)
    assert (found.integral @ gradients(held))[0, 2] == pytest.approx(exact)


def test_the_residual_goes_to_the_tokens_that_bend() -> None:
    """A second token whose gradient is a line has no error, and is given nothing."""
    held = sampled(Integrand(lambda a: a**5 + a, lambda a: [5 * a**4, 1.0]), 0.0, 1 / 3, 2 / 3, 1.0)
    residuals = panels(held).residuals[0]
    found = findings(held, score_errors=True)
    kept = CANCELLATION / (1 + CANCELLATION)
    assert found.scores[0] == pytest.approx([1.0 - kept * residuals.sum(), 1.0])
    assert found.leftover[0] == pytest.approx(kept * residuals)


def test_blocks_of_targets_and_tokens_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = [[(1.0, 0.1 * k, 0.02 * k), (-0.5, 0.3, 0.1), (0.2, 0.6, 0.05 * k)] for k in range(1, 6)]
    integrands = [logistic_sum(each)[0] for each in steps]
    whole = integrate(AdaptiveRule(0.01, 256), *integrands)
    monkeypatch.setattr(samples_module, "BLOCK", 40)
    blocks = integrate(AdaptiveRule(0.01, 256), *[logistic_sum(each)[0] for each in steps])
    assert (blocks.points == whole.points).all()
    assert blocks.scores == pytest.approx(whole.scores, rel=1e-12)
    assert blocks.score_errors == pytest.approx(whole.score_errors, rel=1e-9)


def test_errors_that_are_not_kept_are_summed_all_the_same() -> None:
    integrand, _ = logistic_sum([(1.0, 0.2, 0.01), (0.5, 0.4, 0.02)])
    kept = integrate(AdaptiveRule(0.01, 256), integrand)
    summed = integrate(
        AdaptiveRule(0.01, 256, score_errors=False), logistic_sum([(1.0, 0.2, 0.01), (0.5, 0.4, 0.02)])[0]
    )
    assert kept.score_errors is not None
    assert summed.score_errors is None
    assert summed.score_error_sum == pytest.approx(kept.score_errors.sum(axis=1))
    assert (summed.scores == kept.scores).all()


def test_a_part_of_a_whole_may_be_off_by_half_the_wholes_share() -> None:
    parts = [(1.0, 0.2, 0.01), (0.5, 0.4, 0.02)]
    alone = integrate(AdaptiveRule(0.001, 256), logistic_sum(parts)[0])
    within = integrate(AdaptiveRule(0.001, 256, whole=np.array([100.0])), logistic_sum(parts)[0])
    assert within.points < alone.points


def test_parabolas_need_one_round() -> None:
    integrand = Integrand(lambda a: a**3 - a**2 + a, lambda a: [3 * a * a, -2 * a, 1.0])
    rule = AdaptiveRule(1e-4, 1024)
    estimate = integrate(rule, integrand)
    assert estimate.round == 1
    assert estimate.points == [FIRST_ROUND]
    assert estimate.scores[0] == pytest.approx([1.0, -1.0, 1.0], abs=1e-14)
    assert rule.stop_reasons() == [pb.STOP_REASON_TOLERANCE]


def test_straight_log_odds_need_one_round_however_steep_the_probability() -> None:
    steep = probability(slope=80.0, centre=0.3)
    estimate = integrate(AdaptiveRule(1e-4, 1024), steep)
    assert estimate.points == [FIRST_ROUND]
    assert estimate.scores[0] == pytest.approx([1.5, -0.5], abs=1e-5)
    blind = Integrand(lambda a: float(steep(a).f[0]), lambda a: list(steep(a).token_sums[0]))
    assert integrate(AdaptiveRule(1e-4, 1024), blind).points > [2 * FIRST_ROUND]


def test_a_saturated_probability_is_an_answer_not_an_overflow() -> None:
    estimate = integrate(AdaptiveRule(0.01, 1024), probability(slope=3000.0, centre=0.5))
    assert np.isfinite(estimate.scores).all()
    assert estimate.scores[0] == pytest.approx([1.5, -0.5], abs=0.02)


def test_splits_follow_the_forecast() -> None:
    """Panels are split until the forecast, not the present error, is what is allowed."""
    alphas = np.array([0.0, 0.5, 1.0])
    assert splits(alphas, np.array([[0.0, 0.9 / DECAY]]), 100) == ([0.75], False)
    assert splits(alphas, np.array([[0.0, 1.1 / DECAY]]), 100) == ([0.75, 0.625], False)
    assert splits(alphas, np.array([[0.0, 1.9 / DECAY]]), 100) == ([0.75, 0.625, 0.875], False)


def test_a_round_splits_a_panel_into_four_at_most() -> None:
    assert splits(np.array([0.0, 1.0]), np.array([[1e9]]), 100) == ([0.5, 0.25, 0.75], False)


def test_splits_stop_at_the_cap() -> None:
    assert splits(np.array([0.0, 0.5, 1.0]), np.array([[0.0, 10.0]]), 1) == ([0.75], True)


def test_panels_that_no_open_target_needs_are_left_alone() -> None:
    """The first target's second panel is too much; the second target's first one is not."""
    assert splits(np.array([0.0, 0.5, 1.0]), np.array([[0.0, 1.5], [0.7, 0.0]]), 100) == ([0.75], False)


heights = st.floats(-2, 2).filter(lambda height: abs(height) > 0.01)
steps = st.tuples(heights, st.floats(-0.2, 1.2), st.floats(0.01, 1.0))


@settings(max_examples=200, deadline=None)
@given(st.lists(steps, min_size=1, max_size=6), st.sampled_from([0.05, 0.01, 0.001]))
def test_the_rule_keeps_its_promise(parts: list[tuple[float, float, float]], tolerance: float) -> None:
    integrand, exact = logistic_sum(parts)
    rule = AdaptiveRule(tolerance, 4096)
    estimate = integrate(rule, integrand)
    assert estimate.score_errors is not None
    true_error = abs(estimate.scores.sum() - exact.sum())
    assert true_error <= estimate.error_bound[0] * (1 + 1e-9)
    scale = max(abs(exact.sum()), np.abs(estimate.scores).sum())
    if rule.stop_reasons() == [pb.STOP_REASON_TOLERANCE]:
        assert estimate.error_bound[0] <= tolerance * scale * (1 + 1e-6)
    else:
        assert rule.stop_reasons() == [pb.STOP_REASON_NOISE_FLOOR]
        assert estimate.error_bound[0] <= 1e-4 * max(1.0, abs(exact).sum())


def test_cancelling_tokens_do_not_stop_the_rule_early() -> None:
    """Two opposite steps: every sum is 0 at first sight, the scores are not."""
    integrand, exact = logistic_sum([(1.0, 0.3, 0.004), (-1.0, 0.3, 0.004)])
    estimate = integrate(AdaptiveRule(0.01, 4096), integrand)
    assert estimate.scores[0] == pytest.approx(exact, abs=0.02)


def test_a_jump_between_all_points_is_found() -> None:
    """No gradient shows it at first; that f has changed does."""
    integrand, exact = logistic_sum([(1.0, 0.37, 1e-5), (0.2, 0.5, 0.3)])
    rule = AdaptiveRule(0.01, 1024)
    estimate = integrate(rule, integrand)
    assert rule.stop_reasons() == [pb.STOP_REASON_TOLERANCE]
    assert estimate.scores[0] == pytest.approx(exact, abs=0.015)


def test_a_boundary_layer_at_the_baseline_is_resolved() -> None:
    """A zero embedding under a layer norm: f jumps within a thousandth of the path."""
    integrand, exact = logistic_sum([(1.0, 0.0, 2e-4), (0.5, 0.5, 0.2)])
    rule = AdaptiveRule(0.01, 1024)
    estimate = integrate(rule, integrand)
    assert rule.stop_reasons() == [pb.STOP_REASON_TOLERANCE]
    assert estimate.scores[0] == pytest.approx(exact, abs=0.015)


def test_a_constant_output_ends_after_one_round() -> None:
    rule = AdaptiveRule(0.01, 1024)
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
    rule = AdaptiveRule(0.01, 1024)
    estimate = integrate(rule, integrand)
    assert rule.stop_reasons() == [pb.STOP_REASON_NOISE_FLOOR]
    assert estimate.points < [60]


def test_the_cap_on_points_holds() -> None:
    integrand, _ = logistic_sum([(1.0, 0.37, 1e-5)])
    rule = AdaptiveRule(1e-4, 31)
    estimate = integrate(rule, integrand)
    assert estimate.points <= [31]
    assert rule.stop_reasons() == [pb.STOP_REASON_MAX_POINTS]
    assert estimate.error_bound[0] > 1e-3


def test_the_cap_on_memory_holds_for_the_targets_that_are_worked_on() -> None:
    """Two targets of one token: 40 points of both, or 80 of one."""
    easy, hard = logistic_sum([(1.0, 0.5, 0.2)])[0], logistic_sum([(1.0, 0.37, 1e-5)])[0]
    alone = AdaptiveRule(1e-4, 1024, most_bytes=40 * 8)
    assert integrate(alone, hard).points <= [40]
    assert alone.stop_reasons() == [pb.STOP_REASON_MAX_POINTS]
    hard.asked.clear()
    both = AdaptiveRule(1e-4, 1024, most_bytes=80 * 8)
    points = integrate(both, easy, hard).points
    assert both.stop_reasons() == [pb.STOP_REASON_TOLERANCE, pb.STOP_REASON_MAX_POINTS]
    assert points[0] <= 40 < points[1] <= 80


def test_a_target_that_is_done_is_frozen_and_costs_nothing_more() -> None:
    """`integrate` asks each integrand only for the points that the rule needs it at."""
    smooth, steep = [(1.0, 0.5, 0.5), (0.3, 0.2, 0.4)], [(1.0, 0.2, 0.01), (0.5, 0.4, 0.02)]
    together = AdaptiveRule(0.01, 1024)
    first, exact_first = logistic_sum(smooth)
    second, exact_second = logistic_sum(steep)
    both = integrate(together, first, second)
    assert together.stop_reasons() == [pb.STOP_REASON_TOLERANCE] * 2
    assert both.scores[0] == pytest.approx(exact_first, abs=0.01 * np.abs(exact_first).sum())
    assert both.scores[1] == pytest.approx(exact_second, abs=0.01 * np.abs(exact_second).sum())
    assert both.points[0] == FIRST_ROUND < both.points[1]
    alone = integrate(AdaptiveRule(0.01, 1024), logistic_sum(smooth)[0])
    assert both.scores[0] == pytest.approx(alone.scores[0], rel=1e-12)
    assert both.error_bound[0] == pytest.approx(alone.error_bound[0])


def test_a_hopeless_target_does_not_hold_up_the_others() -> None:
    constant = Integrand(lambda alpha: 0.7, lambda alpha: [0.0, 0.0])
    steep, exact = logistic_sum([(1.0, 0.2, 0.01), (0.5, 0.4, 0.02)])
    rule = AdaptiveRule(0.01, 1024)
    estimate = integrate(rule, constant, steep)
    assert rule.stop_reasons() == [pb.STOP_REASON_NOISE_FLOOR, pb.STOP_REASON_TOLERANCE]
    assert len(constant.asked) == FIRST_ROUND
    assert estimate.scores[1] == pytest.approx(exact, abs=0.015)


def test_open_targets_have_no_stop_reason() -> None:
    steep, _ = logistic_sum([(1.0, 0.2, 0.001)])
    rule = AdaptiveRule(0.001, 1024)
    for alpha in rule.start():
        rule.add(alpha, steep(alpha))
    assert rule.advance()
    assert rule.stop_reasons() == [pb.STOP_REASON_UNSPECIFIED]
    estimate = rule.estimate()
    assert estimate is not None
    assert estimate.points == [FIRST_ROUND]


def test_a_stricter_tolerance_gives_a_smaller_error() -> None:
    """Down to the noise floor, which is reached whatever is asked for beyond it."""
    errors = []
    for tolerance in (1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-9, 1e-300):
        integrand, exact = logistic_sum([(1.0, 0.3, 0.05), (-0.4, 0.6, 0.1)])
        rule = AdaptiveRule(tolerance, 4096)
        scores = integrate(rule, integrand).scores[0]
        errors.append(float(np.abs(scores - exact).sum()))
    assert all(error <= tolerance for error, tolerance in zip(errors, (2e-2, 2e-3, 2e-4, 2e-5), strict=False))
    assert max(errors[4:]) < 1e-5
    assert rule.stop_reasons() == [pb.STOP_REASON_NOISE_FLOOR]


def cut_after(more: int) -> tuple[PathEstimate, PathEstimate, Array]:
    """The first round's estimate of two steps, that with so many more points, and the truth."""
    integrand, exact = logistic_sum([(1.0, 0.2, 0.01), (0.5, 0.7, 0.03)])
    rule = AdaptiveRule(1e-6, 1024)
    for alpha in rule.start():
        rule.add(alpha, integrand(alpha))
    due = rule.advance()
    before = rule.estimate()
    for alpha in due[:more]:
        rule.add(alpha, integrand(alpha))
    rule.cut()
    after = rule.estimate()
    assert before is not None
    assert after is not None
    return before, after, exact


def test_a_cut_round_counts_the_points_that_are_there() -> None:
    for more in range(1, 7):
        before, after, exact = cut_after(more)
        assert after.points == [FIRST_ROUND + more]
        assert abs(after.convergence_delta[0]) <= after.error_bound[0]
        assert after.score_errors is not None
        assert (np.abs(after.scores[0] - exact) <= after.score_errors[0]).all()
    assert np.abs(after.scores[0] - exact).sum() < 0.5 * np.abs(before.scores[0] - exact).sum()


def test_a_cut_without_a_new_point_changes_nothing() -> None:
    before, after, _ = cut_after(0)
    assert (after.scores == before.scores).all()
    assert after.round == before.round == 1
    rule = AdaptiveRule(0.01, 256)
    rule.cut()
    assert rule.estimate() is None
