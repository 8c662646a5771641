"""The values of a path at all points so far."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ligserve.server.workers.quadrature.rule import Floats, NodeValue

# A probability's slope is divided out; below this, nothing of it is left in float32.
SMALLEST_SLOPE = 1e-30
# Most numbers (targets x points x tokens) that are worked on at a time.
BLOCK = 1 << 19


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """K targets over T tokens at n points, in the order of the points.

    A probability p is smoothest through its log-odds z, since dp = p (1 - p) dz: its curve is z and its slope
    p (1 - p). Any other target is its own curve, of slope 1.

    Attributes:
        alphas: (n,), ascending, from 0 to 1.
        f: (K, n), the targets' values.
        noise: (K, n), how far f may move by rounding.
        log_odds: (K, n); NaN for targets that are no probabilities.
        token_sums: for each point the derivative of f by alpha, token by token, (K, T).
        totals: (K, n), the sums of token_sums over the tokens.
        ends: (K, 2), f at the first and the last point as the deployed model has it.
        score_noise: how far token_sums may be off by rounding, as a share of the sum of their sizes.
        worse: how many times more than is usual the arithmetic rounds.
    """

    alphas: Floats
    f: Floats
    noise: Floats
    log_odds: Floats
    token_sums: tuple[NDArray[np.floating], ...]
    totals: Floats
    ends: Floats
    score_noise: float
    worse: float

    @property
    def logistic(self) -> NDArray[np.bool_]:
        """(K,): whether f is a probability."""
        finite: NDArray[np.bool_] = np.all(np.isfinite(self.log_odds), axis=1)
        return finite

    @property
    def slopes(self) -> Floats:
        """(K, n): the derivative of f by its curve."""
        slopes = np.maximum(logistic_slope(self.log_odds), SMALLEST_SLOPE)
        return np.where(self.logistic[:, None], slopes, 1.0)

    @property
    def tokens(self) -> int:
        """T."""
        return int(self.token_sums[0].shape[1])

    def of(self, kept: Sequence[int] | NDArray[np.int64]) -> "Samples":
        """Some of the targets."""
        if len(kept) == len(self.f):
            return self
        return Samples(
            self.alphas,
            self.f[kept],
            self.noise[kept],
            self.log_odds[kept],
            tuple(sums[kept] for sums in self.token_sums),
            self.totals[kept],
            self.ends[kept],
            self.score_noise,
            self.worse,
        )

    def with_more(self, values: Mapping[float, NodeValue]) -> "Samples":
        """These, from both ends of the path on, and some more points, of the same targets."""
        new = samples(values)
        alphas = np.concatenate([self.alphas, new.alphas])
        order = np.argsort(alphas)
        token_sums = self.token_sums + new.token_sums
        return Samples(
            alphas[order],
            np.concatenate([self.f, new.f], axis=1)[:, order],
            np.concatenate([self.noise, new.noise], axis=1)[:, order],
            np.concatenate([self.log_odds, new.log_odds], axis=1)[:, order],
            tuple(token_sums[number] for number in order),
            np.concatenate([self.totals, new.totals], axis=1)[:, order],
            self.ends,
            max(self.score_noise, new.score_noise),
            max(self.worse, new.worse),
        )

    def target_blocks(self) -> Iterator[tuple[slice, "Samples"]]:
        """Some targets at a time, and which they are: arrays over the tokens of hundreds fill the memory."""
        step = max(1, BLOCK // (len(self.alphas) * self.tokens))
        for first in range(0, len(self.f), step):
            rows = slice(first, first + step)
            yield rows, self.of(range(len(self.f))[rows])

    def gradients(self) -> Iterator[tuple[slice, Floats]]:
        """Some tokens at a time, and which they are: (K, n, tokens), the curves' derivatives by alpha."""
        slopes = self.slopes[..., None]
        step = max(1, BLOCK // self.f.size)
        for first in range(0, self.tokens, step):
            columns = slice(first, first + step)
            yield columns, np.stack([sums[:, columns] for sums in self.token_sums], axis=1) / slopes


def samples(values: Mapping[float, NodeValue]) -> Samples:
    """The values of points, by alpha."""
    alphas = sorted(values)
    nodes = [values[alpha] for alpha in alphas]
    return Samples(
        alphas=np.array(alphas),
        f=np.stack([node.f for node in nodes], axis=1),
        noise=np.stack([node.noise for node in nodes], axis=1),
        log_odds=np.stack([node.log_odds for node in nodes], axis=1),
        token_sums=tuple(node.token_sums for node in nodes),
        totals=np.stack([node.token_sums.sum(axis=1, dtype=np.float64) for node in nodes], axis=1),
        ends=np.stack([nodes[0].end.f, nodes[-1].end.f], axis=1),
        score_noise=max(node.score_noise for node in nodes),
        worse=max(node.worse for node in nodes),
    )


def logistic_slope(log_odds: Floats) -> Floats:
    """P (1 - p), without cancellation where p is close to 0 or 1."""
    small = np.exp(-np.abs(log_odds))
    slope: Floats = small / (1.0 + small) ** 2
    return slope
