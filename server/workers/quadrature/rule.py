"""What every quadrature rule is to the engine: alphas wanted, values given, an estimate at any time."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ligserve.server.workers.quadrature.forecast import PointsForecast
from ligserve.v1 import explanation_service_pb2 as pb

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class EndValue:
    """What a forward pass of the deployed model gives at an end of a path, for K targets.

    Attributes:
        f: (K,), the targets' values.
        noise: (K,), how far f may move by rounding alone.
    """

    f: Floats
    noise: Floats


@dataclass(frozen=True, slots=True)
class NodeValue:
    """What one point gives, for K targets over T tokens.

    Attributes:
        f: (K,), the targets' values.
        token_sums: (K, T), for each token the sum of gradient x (end - start) over the embedding; float32
            where a score is a single product, which has no more digits.
        noise: (K,), how far f may move by rounding alone, in another batch or with other threads; at an end
            of the path at least how far it is from the deployed model's value.
        log_odds: (K,), log(f / (1 - f)) of targets that are probabilities; NaN of others.
        score_noise: how far token_sums may be off in all by rounding, as a share of the sum of their sizes;
            0 where that is negligible.
        worse: how many times more than is usual its arithmetic rounds, as this point shows; at least 1.
        deployed: at an end, where f is of a coarser arithmetic than the deployed model's: its value.
    """

    f: Floats
    token_sums: NDArray[np.floating]
    noise: Floats
    log_odds: Floats
    score_noise: float = 0.0
    worse: float = 1.0
    deployed: EndValue | None = None

    @property
    def end(self) -> EndValue:
        """What the deployed model gives here, if this is an end of the path."""
        return self.deployed or EndValue(self.f, self.noise)

    def of(self, targets: Sequence[int]) -> "NodeValue":
        """What it gives for some of the targets."""
        rows, end = list(targets), self.deployed
        return replace(
            self,
            f=self.f[rows],
            token_sums=self.token_sums[rows],
            noise=self.noise[rows],
            log_odds=self.log_odds[rows],
            deployed=None if end is None else EndValue(end.f[rows], end.noise[rows]),
        )

    def at_rest(self) -> "NodeValue":
        """What every point is where nothing moves: the scores are 0, and f is the same by rounding, too."""
        f = self.end.f
        return NodeValue(f, np.zeros_like(self.token_sums), np.zeros_like(f), self.log_odds)


@dataclass(frozen=True, slots=True)
class PathEstimate:
    """The attributions of K targets over T tokens so far.

    Attributes:
        scores: (K, T), in the targets' units.
        score_errors: (K, T), error bar of each score, plus or minus; None where unknown or not kept.
        score_error_sum: (K,), their sum over the tokens; None where unknown.
        error_bound: (K,), bound on |sum of scores - (f(1) - f(0))|, rounding included; NaN where the scores
            do not add up to that.
        f_input: (K,), f at the end of the path, in the deployed model's arithmetic.
        f_baseline: (K,), f at its start, likewise.
        points: (K,), points at which each target was evaluated.
        round: rounds done, from 1.
    """

    scores: Floats
    score_errors: Floats | None
    score_error_sum: Floats | None
    error_bound: Floats
    f_input: Floats
    f_baseline: Floats
    points: Counts
    round: int

    @property
    def convergence_delta(self) -> Floats:
        """(K,): the true completeness error, sum of scores - (f(1) - f(0)); NaN where there is none."""
        delta = self.scores.sum(axis=1) - (self.f_input - self.f_baseline)
        return np.where(np.isnan(self.error_bound), np.nan, delta)


class QuadratureRule(Protocol):
    """A strategy for the integral over one path.

    The engine evaluates the targets of `needed` at every alpha of `start`, gives the values with `add`, calls
    `advance` when the last one is there, evaluates what that returns, and so on until it returns nothing.
    Near the deadline it calls `cut` in the middle of a round.
    """

    def start(self) -> list[float]:
        """The first round's alphas; the first of them is 1."""
        ...

    def forecast(self, targets: int) -> PointsForecast:
        """How many points it will take for so many targets; before the start."""
        ...

    def needed(self, count: int, alpha: float) -> Sequence[int]:
        """Which of `count` targets one of the alphas asked for last is for, in ascending order."""
        ...

    def add(self, alpha: float, value: NodeValue) -> None:
        """Take the value of one point; it holds the targets of `needed`, in their order."""
        ...

    def advance(self) -> list[float] | None:
        """Close a round: the next round's alphas, none when the work is done.

        None (rather than an empty list) where the round stays open until other paths are done with it.
        """
        ...

    def cut(self) -> None:
        """Make do with the points that are there: no more will come.

        Without effect before the first round is closed.
        """
        ...

    def estimate(self) -> PathEstimate | None:
        """The attributions after the last closed round, or the cut; None before the first."""
        ...

    def stop_reasons(self) -> list["pb.StopReason.ValueType"]:
        """Why each target's work ended, UNSPECIFIED where it goes on; only after a closed round."""
        ...
