"""Several paths under one rule: rounds close when the last path is done, scores stay with their path."""

import numpy as np
import pytest
from numpy.typing import NDArray

from ligserve.server.workers.quadrature import AdaptiveRule, LockStep, LockStepRule, NodeValue
from ligserve.server.workers.quadrature.rule import EndValue, PathEstimate

Array = NDArray[np.float64]
NOISE = np.array([1e-9])

# Outputs of three paths of 1, 2 and 3 tokens, as polynomials of alpha: coefficients of each token.
TOKENS = [np.array([[3.0, -1.0]]), np.array([[2.0, 0.0], [-1.0, 4.0]]), np.array([[1.0, 1.0]] * 3)]


def node(number: int, alpha: float) -> NodeValue:
    """z(alpha) is the sum over the tokens of c1 alpha + c2 alpha^2; the token sums are its derivatives."""
    first, second = TOKENS[number].T
    sums = first + 2 * second * alpha
    value = np.array([(first * alpha + second * alpha**2).sum()])
    return NodeValue(value, sums[None], NOISE, np.array([np.nan]))


def product(z: Array) -> tuple[Array, Array, Array]:
    """Two targets: z1 z2 z3, and z1 - z3."""
    values = np.array([z.prod(), z[0] - z[2]])
    slopes = np.array([[z[1] * z[2], z[0] * z[2], z[0] * z[1]], [1.0, 0.0, -1.0]])
    return values, slopes, np.full(2, np.nan)


class Paths:
    """What the engine does with the members' rules, in any order."""

    def __init__(self, rule: AdaptiveRule) -> None:
        self.whole = LockStep(rule, product, [len(tokens) for tokens in TOKENS])
        self.due: dict[int, list[float]] = {}
        self.closed: list[int] = []
        for number, member in enumerate(self.whole.members):
            self.due[number] = member.start()
            member.resume = self._resumed(number)

    def run(self, order: list[int]) -> PathEstimate:
        while any(self.due.values()):
            for number in order:
                self._round(number, self.whole.members[number])
        estimate = self.whole.estimate()
        assert estimate is not None
        return estimate

    def _round(self, number: int, member: LockStepRule) -> None:
        for alpha in self.due[number]:
            member.add(alpha, node(number, alpha))
        self.due[number] = []
        due = member.advance()
        self.closed.append(number)
        if due is not None:
            self.due[number] = due

    def _resumed(self, number: int):  # type: ignore[no-untyped-def]
        def resume(due: list[float]) -> None:
            self.due[number] = due

        return resume


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1]])
def test_scores_add_up_over_all_paths(order: list[int]) -> None:
    paths = Paths(AdaptiveRule(1e-6, 4096))
    estimate = paths.run(order)
    z = np.array([node(number, 1.0).f[0] for number in range(3)])
    values, _, _ = product(z)
    assert estimate.f_input == pytest.approx(values)
    assert estimate.f_baseline == pytest.approx([0.0, 0.0])
    assert estimate.scores.sum(axis=1) == pytest.approx(values, abs=1e-5)
    assert estimate.scores.shape == (2, 6)
    assert estimate.scores[1, 1:3] == pytest.approx([0.0, 0.0]), "z1 - z3 has nothing of the second path"
    assert paths.closed[:3] == order, "every path closes a round, whoever is last"


def test_each_path_sees_its_own_tokens_and_the_values_of_the_whole() -> None:
    paths = Paths(AdaptiveRule(1e-6, 4096))
    whole = paths.run([0, 1, 2])
    parts = [member.estimate() for member in paths.whole.members]
    assert [part.scores.shape for part in parts if part] == [(2, 1), (2, 2), (2, 3)]
    assert np.concatenate([part.scores for part in parts if part], axis=1) == pytest.approx(whole.scores)
    for part in parts:
        assert part is not None
        assert part.score_errors is not None
        assert part.score_errors.shape == part.scores.shape
        assert part.f_input == pytest.approx(whole.f_input)
        assert (part.points == whole.points).all()
    assert not (whole.points % 3).any(), "a point is a row of one path"


def test_a_round_stays_open_until_the_last_path_is_done() -> None:
    whole = LockStep(AdaptiveRule(1e-3, 4096), product, [1, 2, 3])
    for number, member in enumerate(whole.members):
        member.resume = lambda due: None
        for alpha in member.start():
            member.add(alpha, node(number, alpha))
        due = member.advance()
        assert (due is None) == (number < 2)
        assert (whole.estimate() is None) == (number < 2)


def test_an_output_is_evaluated_only_for_targets_that_go_on() -> None:
    """Two paths of two outputs each; target n is the sum of both paths' outputs n, the second far rougher."""
    rule = AdaptiveRule(1e-4, 4096)
    reach = np.eye(2, dtype=bool)

    def sums(z: Array) -> tuple[Array, Array, Array]:
        return z.reshape(2, 2).sum(axis=0), np.tile(np.eye(2), 2), np.full(2, np.nan)

    def rough(alpha: float, outputs: list[int]) -> NodeValue:
        values = np.array([alpha, np.tanh(60 * (alpha - 0.4))])
        slopes = np.array([1.0, 60 * (1 - np.tanh(60 * (alpha - 0.4)) ** 2)])
        tokens = np.stack([0.25 * slopes, 0.75 * slopes], axis=1)
        return NodeValue(values[outputs], tokens[outputs], np.full(len(outputs), 1e-12), np.full(2, np.nan))

    whole = LockStep(rule, sums, [2, 2], reach)
    asked: list[list[int]] = []
    due = whole.start()
    for member in whole.members:
        member.resume = lambda _: None
    while due:
        outputs = list(whole.members[0].needed(2, due[0]))
        asked.append(outputs)
        for member in whole.members:
            for alpha in due:
                member.add(alpha, rough(alpha, outputs))
            more = member.advance()
        due = more or []
    estimate = whole.estimate()
    assert estimate is not None
    assert asked[0] == [0, 1]
    assert asked[-1] == [1], "the straight one is done"
    assert estimate.points[0] < estimate.points[1]
    ends = [rough(alpha, [0, 1]).f for alpha in (0.0, 1.0)]
    for target in range(2):
        change = 2 * (ends[1][target] - ends[0][target])
        assert estimate.scores[target].sum() == pytest.approx(change, rel=1e-3)
        assert estimate.scores[target] == pytest.approx(change * np.array([0.125, 0.375] * 2), rel=1e-2)


def test_a_cut_counts_the_nodes_that_every_path_has() -> None:
    paths = Paths(AdaptiveRule(1e-12, 256))
    for number, member in enumerate(paths.whole.members):
        paths._round(number, member)
    first = paths.whole.estimate()
    assert first is not None
    assert len(paths.due[0]) >= 2
    for number, member in enumerate(paths.whole.members):
        for alpha in paths.due[number][: 2 if number else 1]:
            member.add(alpha, node(number, alpha))
    for member in paths.whole.members:
        member.cut()
    last = paths.whole.estimate()
    assert last is not None
    assert last.points.max() == first.points.max() + 3, "one node of three paths"
    parts = [member.estimate() for member in paths.whole.members]
    joined = np.concatenate([part.scores for part in parts if part is not None], axis=1)
    assert (joined == last.scores).all()
    assert (np.abs(last.convergence_delta) <= last.error_bound).all()


def test_beside_a_path_that_stands_still_the_ends_are_the_deployed_models() -> None:
    """In coarse arithmetic, whose own values are off by a hundredth."""

    def total(z: Array) -> tuple[Array, Array, Array]:
        return np.array([z.sum()]), np.ones((1, 2)), np.full(1, np.nan)

    def coarse(alpha: float) -> NodeValue:
        end = EndValue(np.array([alpha]), NOISE) if alpha in (0.0, 1.0) else None
        f, sums = np.array([1.01 * alpha]), np.array([[1.01]])
        return NodeValue(f, sums, np.array([0.02]), np.full(1, np.nan), score_noise=0.01, deployed=end)

    def still(_alpha: float) -> NodeValue:
        end = EndValue(np.array([0.5]), NOISE)
        value = NodeValue(np.array([0.505]), np.ones((1, 1)), NOISE, np.full(1, np.nan), deployed=end)
        return value.at_rest()

    whole = LockStep(AdaptiveRule(0.1, 64), total, [1, 1])
    for member, value in zip(whole.members, (coarse, still), strict=True):
        member.resume = lambda _: None
        for alpha in member.start():
            member.add(alpha, value(alpha))
        member.advance()
    estimate = whole.estimate()
    assert estimate is not None
    assert estimate.f_input == pytest.approx([1.5])
    assert estimate.f_baseline == pytest.approx([0.5])
    assert abs(estimate.convergence_delta[0]) <= estimate.error_bound[0]
