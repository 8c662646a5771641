"""Integrands whose integral is known in closed form, and a stand-in for the engine."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ligserve.server.workers.quadrature import NodeValue, PathEstimate, QuadratureRule

Array = NDArray[np.float64]


# What a float32 model would state.
NOISE = 1e-6
FIELDS = ("f", "token_sums", "noise", "log_odds")


class Integrand:
    """A target over T tokens whose token sums add up to f', as the gradient theorem demands."""

    def __init__(
        self,
        f: Callable[[float], float],
        tokens: Callable[[float], list[float]],
        log_odds: Callable[[float], float] = lambda alpha: math.nan,
    ) -> None:
        self._f, self._tokens, self._log_odds = f, tokens, log_odds
        self.asked: list[float] = []

    def __call__(self, alpha: float) -> NodeValue:
        self.asked.append(alpha)
        f = np.array([self._f(alpha)])
        tokens, log_odds = np.array([self._tokens(alpha)]), np.array([self._log_odds(alpha)])
        return NodeValue(f, tokens, NOISE * np.abs(f), log_odds)


def integrate(rule: QuadratureRule, *integrands: Integrand) -> PathEstimate:
    """Play the engine for one target or several; each is asked only for the points that it needs."""
    due: list[float] | None = rule.start()
    assert due is not None
    assert due[0] == 1.0
    while due:
        for alpha in due:
            needed = rule.needed(len(integrands), alpha)
            values = [integrands[number](alpha) for number in needed]
            parts = [np.concatenate([getattr(value, name) for value in values]) for name in FIELDS]
            f, token_sums, noise, log_odds = parts
            rule.add(alpha, NodeValue(f, token_sums, noise, log_odds))
        due = rule.advance()
    estimate = rule.estimate()
    assert estimate is not None
    for points, integrand in zip(estimate.points, integrands, strict=True):
        assert points == len(integrand.asked) == len(set(integrand.asked))
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
