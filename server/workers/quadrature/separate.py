"""Targets of one path that are integrated each at points of its own.

After the first round one target needs few of the points that another needs. Where a point costs a backward
pass for each target that is evaluated there, that leaves out a third of them; all else is `AdaptiveRule`'s.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from ligserve.server.workers.quadrature.adaptive import MAX_KEPT_BYTES, AdaptiveRule
from ligserve.server.workers.quadrature.findings import findings
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
        # The first round, of all targets.
        self._together = AdaptiveRule(tolerance, max_points, whole, most_bytes=most_bytes)
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
            self._together.add(alpha, value)
        for row, target in enumerate(self._asking.get(alpha, ())):
            self._rules[target].add(alpha, value.of([row]))

    def advance(self) -> list[float]:
        """Close the round; the points that any target asks for next."""
        asking: dict[float, list[int]] = defaultdict(list)
        for target, due in self._closed(asking):
            for alpha in due:
                asking[alpha].append(target)
        self._asking = dict(asking)
        self._room -= len(asking)
        return list(asking)

    def cut(self) -> None:
        """Make do with what each target has."""
        for rule in self._rules or [self._together]:
            rule.cut()

    def estimate(self) -> PathEstimate | None:
        """All targets as they stand."""
        if not self._rules:
            return self._together.estimate()
        each = [estimate for rule in self._rules if (estimate := rule.estimate()) is not None]
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
        return [reason for rule in self._rules or [self._together] for reason in rule.stop_reasons()]

    def _closed(self, asking: Mapping[float, object]) -> Iterator[tuple[int, list[float]]]:
        """Each target that had points in this round, and the alphas that it asks for next.

        Args:
            asking: those that other targets have asked for by then.
        """
        if not self._rules:
            yield from self._begun(asking)
            return
        asked = sorted({target for targets in self._asking.values() for target in targets})
        for target in asked:
            self._rules[target].limit(self._room - len(asking), self._most_bytes // len(asked))
            yield target, self._rules[target].advance()

    def _begun(self, asking: Mapping[float, object]) -> Iterator[tuple[int, list[float]]]:
        """The same for the first round, of which all is found for all targets at once: that is far faster."""
        held = self._together.held()
        found, count, known = findings(held, score_errors=True), len(held.f), len(held.alphas)
        self._room -= known
        for target in range(count):
            whole = None if self._whole is None else self._whole[[target]]
            most = known + self._room - len(asking)
            rule = AdaptiveRule(self._tolerance, most, whole, most_bytes=self._most_bytes // count)
            self._rules.append(rule)
            yield target, rule.close(held.of([target]), found.of([target]))
        # What it holds is held by the targets' own rules now.
        self._together = AdaptiveRule(self._tolerance, self._max_points, most_bytes=self._most_bytes)
