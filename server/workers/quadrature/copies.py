"""Estimates of several noisy copies of an input, folded into one."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from ligserve.server.workers.quadrature.rule import Floats, PathEstimate
from ligserve.v1 import explanation_pb2
from ligserve.v1 import explanation_service_pb2 as pb

StopReasons = Sequence["pb.StopReason.ValueType"]

# The one that says most about the whole comes first.
_WORST_FIRST = (
    pb.STOP_REASON_DEADLINE,
    pb.STOP_REASON_MAX_POINTS,
    pb.STOP_REASON_NOISE_FLOOR,
    pb.STOP_REASON_STEPS,
    pb.STOP_REASON_TOLERANCE,
)


class CombinedCopies:
    """The mean, mean square or variance of the copies' scores so far: captum's three kinds of noise tunnel.

    Scores are folded in as they come (Welford's way, which loses no digits), so that no copy's are kept.

    Attributes:
        count: copies so far.
    """

    def __init__(self, kind: "explanation_pb2.NoiseTunnel.Kind.ValueType") -> None:
        self.count = 0
        self._kind = kind
        self._mean: Floats = np.zeros(0)
        self._spread: Floats = np.zeros(0)
        self._estimates: list[PathEstimate] = []
        self._reasons: list[StopReasons] = []

    def add(self, estimate: PathEstimate, reasons: StopReasons) -> None:
        """Fold in a copy's final estimate, and why its work ended for each target."""
        self.count += 1
        if self.count == 1:
            self._mean, self._spread = np.zeros_like(estimate.scores), np.zeros_like(estimate.scores)
        step = estimate.scores - self._mean
        self._mean = self._mean + step / self.count
        self._spread += step * (estimate.scores - self._mean)
        self._estimates.append(_without_scores(estimate))
        self._reasons.append(reasons)

    def estimate(self) -> PathEstimate | None:
        """The copies so far as one; None before the first.

        Mean scores add up to the mean of the copies' outputs, less f(baseline); their error is at most the
        mean of the copies' errors. Squares and variances add up to nothing, so that they have no bound.
        """
        if not self.count:
            return None
        adds_up = self._kind == explanation_pb2.NoiseTunnel.KIND_SMOOTHGRAD
        error_bound = _mean([each.error_bound for each in self._estimates])
        sums = [each.score_error_sum for each in self._estimates if each.score_error_sum is not None]
        return PathEstimate(
            scores=self._scores(),
            score_errors=None,
            score_error_sum=_mean(sums) if adds_up and sums else None,
            error_bound=error_bound if adds_up else np.full_like(error_bound, np.nan),
            f_input=_mean([each.f_input for each in self._estimates]),
            f_baseline=_mean([each.f_baseline for each in self._estimates]),
            points=np.sum([each.points for each in self._estimates], axis=0),
            round=self.count,
        )

    def stop_reasons(self) -> list["pb.StopReason.ValueType"]:
        """For each target the worst of the copies'."""
        return [min(reasons, key=_WORST_FIRST.index) for reasons in zip(*self._reasons, strict=True)]

    def _scores(self) -> Floats:
        variance = self._spread / self.count
        match self._kind:
            case explanation_pb2.NoiseTunnel.KIND_SMOOTHGRAD_SQ:
                return variance + self._mean * self._mean
            case explanation_pb2.NoiseTunnel.KIND_VARGRAD:
                return variance
        return self._mean


def _mean(arrays: Sequence[Floats]) -> Floats:
    mean: Floats = np.mean(arrays, axis=0)
    return mean


def _without_scores(estimate: PathEstimate) -> PathEstimate:
    return dataclasses.replace(estimate, scores=estimate.scores[:, :0].copy(), score_errors=None)
