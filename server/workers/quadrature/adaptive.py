"""Adaptive quadrature on dyadic alphas that knows each panel's error: the default rule.

Every panel is integrated from all points around it (panels.py); what the sum over the tokens lacks is known
exactly, and is given to the tokens (correction.py). So the scores add up to the change of f but for a
leftover that bounds the completeness error, and an estimate of each score's own error remains. A target is
done when the bound and the sum of these estimates are both below the tolerance x max(|f(1) - f(0)|,
sum |scores|); the panels that stand in the way are split (refinement.py).

Points of coarse arithmetic are noisy: there a target whose error hardly shrinks by a round, or grows, keeps
what it had before it, and is done.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ligserve.server.workers.quadrature.findings import Findings, findings
from ligserve.server.workers.quadrature.forecast import PointsForecast, adaptive_points
from ligserve.server.workers.quadrature.refinement import splits
from ligserve.server.workers.quadrature.results import Results
from ligserve.server.workers.quadrature.rule import Floats, NodeValue, PathEstimate
from ligserve.server.workers.quadrature.samples import Samples, samples
from ligserve.v1 import explanation_service_pb2 as pb

# Classifiers change most in the first two thirds of the path, and fast where it leaves the baseline.
# In the order of their worth, for a deadline amid them: the end is where the prediction is.
FIRST_POINTS = tuple(number / 64 for number in (64, 0, 32, 16, 48, 8, 24, 40, 4, 56, 12, 28, 20, 36, 1))
# With fewer of them the scores' errors are half of the scores, and one bar in four does not hold.
LEAST_POINTS = 7
# Panels with less error than these shares of the ends' rounding or of max(|df|, sum |scores|) hold only
# noise; in coarse arithmetic those with less than their own rounding, too.
PANEL_NOISE = 0.25
NOISE_SHARE = 2e-6


# What the token sums of a request's points may take in memory. Half a GiB.
MAX_KEPT_BYTES = 1 << 29
_FLOAT64_BYTES = 8


class AdaptiveRule:
    """Splits the worst panels until the tolerance is reached for every target.

    Args:
        tolerance: allowed error relative to max(|f(1) - f(0)|, sum |scores|), above 0.
        max_points: most points that may be used, at least as many as `FIRST_POINTS`.
        whole: None, or for a path that is a part of a whole, (K,) a size of the whole for each target: the
            allowed error is then half relative to the path's own size, and half to this.
        score_errors: whether an error is told for each score, rather than for their sum alone.
        most_bytes: what the token sums of all points may take, for the targets that are worked on; with more
            points they end as with `max_points`.
    """

    def __init__(
        self,
        tolerance: float,
        max_points: int,
        whole: Floats | None = None,
        *,
        score_errors: bool = True,
        most_bytes: int = MAX_KEPT_BYTES,
    ) -> None:
        self._tolerance = tolerance
        self._max_points = max_points
        self._whole = whole
        self._score_errors = score_errors
        self._most_bytes = most_bytes
        self._new: dict[float, NodeValue] = {}
        self._samples: Samples | None = None
        self._results: Results | None = None

    def start(self) -> list[float]:
        """Both ends first, then whatever halves the widest gaps."""
        return list(FIRST_POINTS)

    def forecast(self, targets: int) -> PointsForecast:
        """At least the first round, at most the points that are allowed."""
        return adaptive_points(self._tolerance, targets, len(FIRST_POINTS), self._max_points)

    def limit(self, new_points: int, most_bytes: int) -> None:
        """From now on so many more points may be used, and their token sums may take so much."""
        known = 0 if self._samples is None else len(self._samples.alphas)
        self._max_points = known + len(self._new) + new_points
        self._most_bytes = most_bytes

    def first_round_fits(self, targets: int, tokens: int) -> bool:
        """Whether so many targets' points of the first round can be kept."""
        return len(FIRST_POINTS) * targets * tokens * _FLOAT64_BYTES <= self._most_bytes

    def needed(self, count: int, _alpha: float) -> Sequence[int]:
        """The targets that are not done."""
        return range(count) if self._results is None else self._results.open

    def add(self, alpha: float, value: NodeValue) -> None:
        """Take the value of one point."""
        self._new[alpha] = value

    def advance(self) -> list[float]:
        """Close the round; the middles of the panels that are split next, worst first."""
        held = self.held()
        return self.close(held, findings(held, score_errors=self._score_errors))

    def held(self) -> Samples:
        """The values of all points so far, of the targets that are worked on."""
        return samples(self._new) if self._samples is None else self._samples.with_more(self._new)

    def close(self, held: Samples, found: Findings) -> list[float]:
        """`advance`, with what is held and found."""
        results = self._results = self._results or Results(len(held.f), held.tokens, self._whole)
        better = self._put(held, found, results)
        if not better.all():
            results.close(~better, pb.STOP_REASON_NOISE_FLOOR)
            found, held = found.of(better), held.of(np.flatnonzero(better))
        going_on = ~self._reached(results)
        errors = self._relative_errors(found, results)[going_on]
        results.close(~going_on, pb.STOP_REASON_TOLERANCE)
        late = errors.sum(axis=1) > 1
        room = self._most_points(held, int(late.sum())) - len(held.alphas)
        middles, capped = splits(held.alphas, errors, room)
        results.close(~late, pb.STOP_REASON_NOISE_FLOOR)
        if not middles:
            end = pb.STOP_REASON_MAX_POINTS if capped else pb.STOP_REASON_NOISE_FLOOR
            results.close(late[late], end)
        self._samples = held.of(np.flatnonzero(going_on)[late]) if middles else None
        return middles

    def cut(self) -> None:
        """Close a round that lacks points: panels without a new one stay as wide as they are.

        Without effect while the first round lacks an end, or has not `LEAST_POINTS`.
        """
        if not self._new or (self._samples is None and not self._tells_enough()):
            return
        held = self.held()
        self._results = self._results or Results(len(held.f), held.tokens, self._whole)
        self._put(held, findings(held, score_errors=self._score_errors), self._results)
        self._samples = None
        self._results.close(self._reached(self._results), pb.STOP_REASON_TOLERANCE)

    def estimate(self) -> PathEstimate | None:
        """The sum over the panels of the last closed round, or the cut one."""
        return None if self._results is None else self._results.estimate()

    def stop_reasons(self) -> list["pb.StopReason.ValueType"]:
        """TOLERANCE where it was reached, else what stood in the way."""
        return [] if self._results is None else list(self._results.reasons)

    def _tells_enough(self) -> bool:
        """Whether the points of a first round that is cut will do."""
        return len(self._new) >= LEAST_POINTS and {0.0, 1.0} <= self._new.keys()

    def _put(self, held: Samples, found: Findings, results: Results) -> NDArray[np.bool_]:
        """Take in what a round has found; (open,), for which targets that counts from now on."""
        self._new = {}
        if held.score_noise and results.rounds:
            return results.put_if_better(found, held, self._tolerance)
        results.put(found, held)
        return np.ones(len(results.open), dtype=np.bool_)

    def _reached(self, results: Results) -> NDArray[np.bool_]:
        """(open,): whether the tolerance is."""
        reached: NDArray[np.bool_] = results.error <= self._tolerance * results.size
        return reached

    def _most_points(self, samples: Samples, targets: int) -> int:
        """How many points of so many targets there may be."""
        each = max(1, targets) * samples.tokens * samples.token_sums[0].itemsize
        return min(self._max_points, self._most_bytes // each)

    def _relative_errors(self, found: Findings, results: Results) -> Floats:
        """(open, panels): each panel's error as a multiple of what all may have; 0 where it is noise."""
        rounding, coarse = results.rounding, found.rounding.sum(axis=1)
        floor = np.maximum(PANEL_NOISE * rounding, NOISE_SHARE * results.scale)[:, None]
        floor = np.maximum(floor, np.maximum(found.noise, found.rounding))
        errors = np.maximum(found.panel_errors, np.abs(found.leftover))
        noise = errors <= floor
        limit = self._tolerance * results.size
        room = np.minimum(limit - rounding, np.sqrt(np.maximum(limit**2 - coarse**2, 0.0)))
        rest = room - errors.sum(axis=1, where=noise)
        allowed = np.maximum(rest, np.maximum(rounding, coarse)) + np.finfo(np.float64).tiny
        relative: Floats = np.where(noise, 0.0, errors / allowed[:, None])
        return relative
