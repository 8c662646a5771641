"""Targets of one path that are integrated each at points of its own.

After the first round one target needs few of the points that another needs. Where a point costs a backward
pass for each target that is evaluated there, that leaves out a third of them; all else is `AdaptiveRule`'s.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ligserve.server.workers.quadrature.adaptive import MAX_KEPT_BYTES, AdaptiveRule
from ligserve.server.workers.quadrature.forecast import PointsForecast, adaptive_points
from ligserve.server.workers.quadrature.rule import Floats, NodeValue, PathEstimate
from ligserve.v1 import explanation_service_pb2 as pb


class SeparateRule:
    """An `AdaptiveRule` for each target; their rounds are the path's.

    Args:
        tolerance: as in `AdaptiveRule`.
        max_points: most points of the path, whatever targets they are for; a point at which targets are
            evaluated in different rounds counts once for each round.
        whole: as in `AdaptiveRule`.
        most_bytes: what the token sums of all points may take.
    """

    def __init__(
        self,
        tolerance: float,
        max_points: int,
        whole: Floats | None = None,
        *,
        most_bytes: int = MAX_KEPT_BYTES,
    ) -> None:
        self._tolerance = tolerance
        self._max_points = max_points
        self._whole = whole
        self._most_bytes = most_bytes
        self._together = AdaptiveRule(tolerance, max_points, most_bytes=most_bytes)
        self._rules: list[AdaptiveRule] = []
        # Points that the path may still take; and for those that are due, which targets they are for.
        self._room = max_points
        self._asking: dict[float, list[int]] = {}

    def start(self) -> list[float]:
        """The first round is the same for every target."""
        return self._together.start()

    def forecast(self, targets: int) -> PointsForecast:
        """More points than for targets that share them, at each of which fewer are evaluated."""
        first = len(self.start())
        return adaptive_points(self._tolerance, targets, first, self._max_points, separate=True)

    def first_round_fits(self, targets: int, tokens: int) -> bool:
        """Whether so many targets' points of the first round can be kept."""
        return self._together.first_round_fits(targets, tokens)

    def needed(self, count: int, alpha: float) -> Sequence[int]:
        """The targets that the point is for."""
        return self._asking[alpha] if self._rules else range(count)

    def add(self, alpha: float, value: NodeValue) -> None:
        """Take the value of one point."""
        if not self._rules:
            self._begin(len(value.f))
        for row, target in enumerate(self._asking[alpha]):
            self._rules[target].add(alpha, value.of([row]))

    def advance(self) -> list[float]:
        """Close the round; the points that any target asks for next."""
        asked = {target for targets in self._asking.values() for target in targets}
        asking: dict[float, list[int]] = defaultdict(list)
        for target in sorted(asked):
            rule = self._rules[target]
            rule.limit(self._room - len(asking), self._most_bytes // len(asked))
            for alpha in rule.advance():
                asking[alpha].append(target)
        self._asking = dict(asking)
        self._room -= len(asking)
        return list(asking)

    def cut(self) -> None:
        """Make do with what each target has."""
        for rule in self._rules:
            rule.cut()

    def estimate(self) -> PathEstimate | None:
        """All targets as they stand."""
        each = [estimate for rule in self._rules if (estimate := rule.estimate()) is not None]
        if not each:
            return None
        errors = [estimate.score_errors for estimate in each if estimate.score_errors is not None]
        sums = [estimate.score_error_sum for estimate in each if estimate.score_error_sum is not None]
        return replace(
            each[0],
            scores=np.concatenate([estimate.scores for estimate in each]),
            score_errors=np.concatenate(errors),
            score_error_sum=np.concatenate(sums),
            error_bound=np.concatenate([estimate.error_bound for estimate in each]),
            f_input=np.concatenate([estimate.f_input for estimate in each]),
            f_baseline=np.concatenate([estimate.f_baseline for estimate in each]),
            points=np.concatenate([estimate.points for estimate in each]),
            round=max(estimate.round for estimate in each),
        )

    def stop_reasons(self) -> list["pb.StopReason.ValueType"]:
        """Why each target's work ended."""
        return [reason for rule in self._rules for reason in rule.stop_reasons()]

    def _begin(self, targets: int) -> None:
        start, whole = self.start(), self._whole
        self._rules = [
            AdaptiveRule(self._tolerance, len(start), None if whole is None else whole[[target]])
            for target in range(targets)
        ]
        self._room -= len(start)
        self._asking = {alpha: list(range(targets)) for alpha in start}
