"""What the finished windows of a document add up to."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ligserve.server.workers.explainers.plans.document_outcome import DocumentOutcome
from ligserve.server.workers.jobs.part import Part
from ligserve.server.workers.jobs.summary import stop_reasons
from ligserve.server.workers.quadrature import BAR, PathEstimate
from ligserve.v1 import explanation_service_pb2 as pb

# Where the tolerance was not reached, the first of these that stood in the way of a window is told.
_OBSTACLES = (pb.STOP_REASON_DEADLINE, pb.STOP_REASON_MAX_POINTS, pb.STOP_REASON_NOISE_FLOOR)


class DocumentTotals:
    """Sums over windows, for K targets.

    Args:
        outcome: the document's prediction.
        tolerance: what is asked for; None for a fixed number of steps.
        size: how many windows, one after the other, are explained together; what there is to explain in them
            is told with the first of them.

    Attributes:
        unexplained: (K,), how much there is to explain in windows that are not finished.
        windows_done: number of windows that are finished.
        any_explained: whether a window has an estimate.
    """

    def __init__(self, outcome: DocumentOutcome, tolerance: float | None, size: int = 1) -> None:
        self._outcome = outcome
        self._tolerance = tolerance
        self._size_of_group = size
        self.unexplained = outcome.summed(outcome.changes)
        self.windows_done = size * int((np.diff(outcome.first_pairs)[::size] == 0).sum())
        shares = outcome.shares[outcome.windows]
        self._f_input = outcome.summed(shares * outcome.f_input)
        self._f_baseline = outcome.summed(shares * outcome.f_baseline)
        number = len(outcome.explained)
        self._score_sum, self._size, self._bound, self._bars = np.zeros((4, number))
        self._points = np.zeros(number, dtype=np.int64)
        self._knows_bars = True
        # Of each target a bit for every reason. No sets: so many objects would take the collector long.
        self._reasons = np.zeros(number, dtype=np.int64)
        self._left_out = np.zeros(number, dtype=np.bool_)
        self.any_explained = False

    def add(self, first: int, part: Part, estimate: PathEstimate) -> None:
        """Take the final estimate of a window, or of several that are explained together.

        Args:
            first: the first of them.
            part: any of them.
            estimate: of all of them.
        """
        outcome, at, share = self._outcome, list(part.targets), part.share
        pairs = outcome.pairs(first)
        self.windows_done += self._size_of_group
        self.any_explained = True
        self.unexplained[at] -= outcome.changes[pairs]
        # The ends once more: what was integrated between may differ from the forward pass by rounding.
        self._f_input[at] += share * (estimate.f_input - outcome.f_input[pairs])
        self._f_baseline[at] += share * (estimate.f_baseline - outcome.f_baseline[pairs])
        self._score_sum[at] += share * estimate.scores.sum(axis=1)
        self._size[at] += share * np.abs(estimate.scores).sum(axis=1)
        self._bound[at] += share * estimate.error_bound
        self._points[at] += estimate.points
        if estimate.score_error_sum is None:
            self._knows_bars = False
        else:
            self._bars[at] += share * estimate.score_error_sum
        self._reasons[at] |= [1 << reason for reason in stop_reasons(part.path)]

    def leave_out(self, targets: Sequence[int] | NDArray[np.intp]) -> None:
        """Note that a window of these targets will get no estimate: the deadline is near."""
        self._left_out[targets] = True

    def summaries(self, *, complete: bool) -> Iterator[pb.TargetSummary]:
        """What was reached for each target.

        Args:
            complete: whether every window is finished; what is unexplained is then nothing but rounding.
        """
        unexplained = np.zeros_like(self.unexplained) if complete else self.unexplained
        changes = self._f_input - self._f_baseline
        bounds = self._bound + np.abs(unexplained)
        errors = np.maximum(bounds, self._bars / BAR)
        columns: dict[str, list[float]] = {
            "f_input": self._f_input.tolist(),
            "f_baseline": self._f_baseline.tolist(),
            "score_sum": self._score_sum.tolist(),
            "convergence_delta": (self._score_sum - changes).tolist(),
            "error_bound": bounds.tolist(),
            "unexplained": unexplained.tolist(),
        }
        scales = np.maximum(np.abs(changes), self._size)
        told = zip(*columns.values(), strict=True)
        ends = zip(
            self._left_out.tolist(), self._reasons.tolist(), errors.tolist(), scales.tolist(), strict=True
        )
        for target, (values, (left_out, *end)) in enumerate(zip(told, ends, strict=True)):
            yield pb.TargetSummary(
                target=target,
                stop_reason=pb.STOP_REASON_DEADLINE if left_out else self._reason(*end),
                points=int(self._points[target]),
                score_error_sum=float(self._bars[target]) if self._knows_bars and not left_out else None,
                **dict(zip(columns, values, strict=True)),
            )

    def _reason(self, reasons: int, error: float, scale: float) -> "pb.StopReason.ValueType":
        """Whether the document meets its tolerance, whatever its windows do; else what stood in the way."""
        if self._tolerance is None:
            return pb.STOP_REASON_DEADLINE if reasons >> pb.STOP_REASON_DEADLINE & 1 else pb.STOP_REASON_STEPS
        if error <= self._tolerance * scale:
            return pb.STOP_REASON_TOLERANCE
        return next((each for each in _OBSTACLES if reasons >> each & 1), pb.STOP_REASON_NOISE_FLOOR)
