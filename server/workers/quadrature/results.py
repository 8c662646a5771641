"""What is known of every target of a path, and whether its work has ended."""

import copy

import numpy as np
from numpy.typing import NDArray

from ligserve.server.workers.quadrature.findings import Findings
from ligserve.server.workers.quadrature.rule import Floats, PathEstimate
from ligserve.server.workers.quadrature.samples import Samples
from ligserve.v1 import explanation_service_pb2 as pb

# A score's error bar, as a multiple of its estimated error: at least 9 of 10 bars hold the true error.
BAR = 2.0
# A round of coarse points that leaves more than this of the error before it is not worth another one.
MOST_LEFT = 0.9


class Results:
    """The latest estimate of K targets over T tokens; a target that is closed keeps its own.

    Args:
        targets: K.
        tokens: T.
        whole: as in `AdaptiveRule`.

    Attributes:
        open: numbers of the targets that are worked on, ascending; arrays with (open,) follow them.
        reasons: (K,), why each target's work ended.
        rounds: how many are put.
    """

    def __init__(self, targets: int, tokens: int, whole: Floats | None) -> None:
        self.open = list(range(targets))
        self.reasons: list[pb.StopReason.ValueType] = [pb.STOP_REASON_UNSPECIFIED] * targets
        self._whole = whole
        self._scores = np.zeros((targets, tokens))
        self._errors: Floats | None = None
        self._error_sums = np.zeros(targets)
        self._ends = np.zeros((targets, 2))
        self._rounding = np.zeros(targets)
        self._leftover = np.zeros(targets)
        self._points = np.zeros(targets, dtype=np.int64)
        self.rounds = 0

    def put(self, found: Findings, samples: Samples) -> None:
        """A round's findings for the open targets."""
        now = self.open
        self._scores = _with(self._scores, now, found.scores)
        if found.score_errors is not None:
            before = np.zeros_like(self._scores) if self._errors is None else self._errors
            self._errors = _with(before, now, found.score_errors)
        # The quadrature's errors and the arithmetic's have nothing to do with each other.
        self._error_sums[now] = np.hypot(found.panel_errors.sum(axis=1), found.rounding.sum(axis=1))
        self._ends[now] = samples.ends
        self._rounding[now] = samples.noise[:, [0, -1]].sum(axis=1)
        self._leftover[now] = _size(found)
        self._points[now] = len(samples.alphas)
        self.rounds += 1

    def put_if_better(self, found: Findings, samples: Samples, tolerance: float) -> NDArray[np.bool_]:
        """A round's findings for the open targets that they bring to the tolerance, or far nearer to it.

        Returns:
            (open,), which these are; the others keep what they had.
        """
        before = copy.deepcopy(self)
        self.put(found, samples)
        left = np.where(self.error <= tolerance * self.size, 1.0, MOST_LEFT)
        worse = self.error * before.size >= left * before.error * self.size
        rows = np.array(self.open)[worse]
        for now, then in zip(self._arrays(), before._arrays(), strict=True):
            now[rows] = then[rows]
        return ~worse

    def _arrays(self) -> list[Floats]:
        arrays = [self._scores, self._error_sums, self._ends, self._rounding, self._leftover]
        return arrays if self._errors is None else [*arrays, self._errors]

    @property
    def rounding(self) -> Floats:
        """(open,): what f at the two ends may be off by rounding; no quadrature can get below it."""
        return self._rounding[self.open]

    @property
    def scale(self) -> Floats:
        """(open,): max(|f(1) - f(0)|, sum |scores|)."""
        change = np.abs(np.diff(self._ends[self.open], axis=1)[:, 0])
        scale: Floats = np.maximum(change, np.abs(self._scores[self.open]).sum(axis=1))
        return scale

    @property
    def size(self) -> Floats:
        """(open,): what the tolerance is relative to."""
        return self.scale if self._whole is None else 0.5 * (self.scale + self._whole[self.open])

    @property
    def error(self) -> Floats:
        """(open,): the larger of the completeness error's bound and the scores' estimated error in all."""
        error: Floats = np.maximum(self._bound()[self.open], self._error_sums[self.open])
        return error

    def close(self, ended: NDArray[np.bool_], reason: "pb.StopReason.ValueType") -> None:
        """Those of the open targets where (open,) `ended` holds are worked on no more."""
        for target, done in zip(tuple(self.open), ended, strict=True):
            if done:
                self.reasons[target] = reason
                self.open.remove(target)

    def estimate(self) -> PathEstimate:
        """All targets as they stand."""
        return PathEstimate(
            scores=self._scores,
            score_errors=None if self._errors is None else BAR * self._errors,
            score_error_sum=BAR * self._error_sums,
            error_bound=self._bound(),
            f_input=self._ends[:, 1].copy(),
            f_baseline=self._ends[:, 0].copy(),
            points=self._points.copy(),
            round=self.rounds,
        )

    def _bound(self) -> Floats:
        bound: Floats = self._leftover + self._rounding
        return bound


def _size(found: Findings) -> Floats:
    """(open,): of the leftovers, panel by panel, but for noise; and at least of their sum, which is exact."""
    beyond_noise = np.maximum(np.abs(found.leftover) - found.noise, 0.0).sum(axis=1)
    size: Floats = np.maximum(beyond_noise, np.abs(found.leftover.sum(axis=1)))
    return size


def _with(values: Floats, rows: list[int], new: Floats) -> Floats:
    """A copy, so that estimates already given away stay as they are."""
    if len(rows) == len(values):
        return new
    values = values.copy()
    values[rows] = new
    return values
