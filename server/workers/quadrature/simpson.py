"""Adaptive Simpson on dyadic alphas: the default rule.

Every panel's error is known exactly (see panel.py), every node is used again when a panel is split, and
|true completeness error| <= sum of the panels' residuals always (they telescope). The work ends when that
sum and the nested difference are both below tolerance x max(|f(1) - f(0)|, sum |scores|): the residual
alone can vanish by cancellation.
"""

from collections.abc import Iterable
from itertools import pairwise

import numpy as np

from ligserve.server.workers.quadrature.panel import Panel, make_panel, panel_nodes
from ligserve.server.workers.quadrature.rule import Floats, NodeValue, PathEstimate
from ligserve.v1 import explanation_service_pb2 as pb

# Two panels (9 points) at the start and this share of the worst panel's error as the bar for a split
# used 10 to 20 % fewer points than four panels and 0.15, for about one more round.
START_PANELS = 2
SPLIT_SHARE = 0.4
# Narrower panels, and panels with less error than these shares of the ends' rounding or of
# max(|df|, sum |scores|), hold only noise.
MIN_WIDTH = 2.0**-24
PANEL_NOISE = 0.25
NOISE_SHARE = 2e-6
# A panel that is split needs the two new middles of each half.
POINTS_PER_SPLIT = 4


class AdaptiveSimpson:
    """Splits the worst panels until the tolerance is reached for every target.

    Args:
        tolerance: allowed error relative to max(|f(1) - f(0)|, sum |scores|), above 0.
        max_points: most points that may be used, at least 4 * start_panels + 1.
        start_panels: equal panels in the first round, a power of two.
        whole: None, or for a path that is a part of a whole, (K,) a size of the whole for each target: the
            allowed error is then half relative to the path's own size, and half to this.
        score_errors: whether an error is estimated for each score, rather than for their sum alone.
    """

    def __init__(
        self,
        tolerance: float,
        max_points: int,
        start_panels: int = START_PANELS,
        whole: Floats | None = None,
        *,
        score_errors: bool = True,
    ) -> None:
        self._tolerance = tolerance
        self._whole = whole
        self._max_points = max_points
        self._score_errors = score_errors
        self._scores: Floats = np.zeros((0, 0))
        self._values: dict[float, NodeValue] = {}
        self._panels: list[Panel] = []
        self._splitting: list[Panel] = []
        edges = [index / start_panels for index in range(start_panels + 1)]
        self._pending = list(pairwise(edges))
        self._round = 0
        self._capped = False

    def start(self) -> list[float]:
        """Both ends first: the end is where the prediction is."""
        inner = {alpha for start, end in self._pending for alpha in panel_nodes(start, end)} - {0.0, 1.0}
        return [1.0, 0.0, *sorted(inner)]

    def add(self, alpha: float, value: NodeValue) -> None:
        """Take the value of one point."""
        self._values[alpha] = value

    def advance(self) -> list[float]:
        """Close the round; the alphas of the panels that are split next."""
        kept = [panel for panel in self._panels if panel not in self._splitting]
        self._panels = kept + [
            make_panel(start, end, self._values, score_errors=self._score_errors)
            for start, end in self._pending
        ]
        self._scores = _sum(panel.integral for panel in self._panels)
        self._round += 1
        self._splitting = [] if all(self._certified()) else self._panels_to_split()
        self._pending = [half for panel in self._splitting for half in panel.halves()]
        nodes = {alpha for start, end in self._pending for alpha in panel_nodes(start, end)}
        return sorted(nodes - self._values.keys())

    def estimate(self) -> PathEstimate | None:
        """The sum over the panels of the last closed round."""
        if self._round == 0:
            return None
        return PathEstimate(
            scores=self._scores,
            score_errors=_sum(p.score_errors for p in self._panels if p.score_errors is not None)
            if self._score_errors
            else None,
            score_error_sum=_sum(panel.nested + panel.residual for panel in self._panels),
            error_bound=self._residuals() + self._rounding(),
            f_input=self._values[1.0].f,
            f_baseline=self._values[0.0].f,
            points=len({alpha for panel in self._panels for alpha in panel_nodes(panel.start, panel.end)}),
            round=self._round,
        )

    def stop_reasons(self) -> list["pb.StopReason.ValueType"]:
        """TOLERANCE where it was reached, else what stood in the way."""
        otherwise = pb.STOP_REASON_MAX_POINTS if self._capped else pb.STOP_REASON_NOISE_FLOOR
        return [pb.STOP_REASON_TOLERANCE if met else otherwise for met in self._certified()]

    def _certified(self) -> list[bool]:
        """For each target, whether both criteria hold."""
        allowed = self._allowed()
        nested = _sum(panel.nested for panel in self._panels)
        bound = self._residuals() + self._rounding()
        return [bool(met) for met in (bound <= allowed) & (nested <= allowed)]

    def _panels_to_split(self) -> list[Panel]:
        """The panels with the largest share of the error of a target that is not done, worst first."""
        errors = self._resolvable_errors()
        bar = max(SPLIT_SHARE * max(errors), 1 / (2 * len(errors)))
        ranked = sorted(zip(errors, self._panels, strict=True), key=lambda pair: -pair[0])
        chosen = [panel for error, panel in ranked if error >= bar and panel.width > MIN_WIDTH]
        affordable = max(0, self._max_points - len(self._values)) // POINTS_PER_SPLIT
        self._capped = len(chosen) > affordable
        return chosen[:affordable]

    def _resolvable_errors(self) -> list[float]:
        """Each panel's error as a multiple of the error allowed in all, worst over the open targets.

        Zero where nothing but rounding is left of it.
        """
        open_targets = ~np.array(self._certified())
        rounding, scale = self._rounding(), self._scale()
        allowed = np.maximum(self._allowed(), rounding) + np.finfo(np.float64).tiny
        floor = np.maximum(PANEL_NOISE * rounding, NOISE_SHARE * scale)
        errors = [np.maximum(p.residual, p.nested) for p in self._panels]
        multiples = [np.where(error > floor, error / allowed, 0.0) for error in errors]
        return [float(multiple[open_targets].max()) for multiple in multiples]

    def _residuals(self) -> Floats:
        return _sum(panel.residual for panel in self._panels)

    def _rounding(self) -> Floats:
        """(K,): what f at the two ends may be off by rounding; no quadrature can get below it."""
        rounding: Floats = self._values[1.0].noise + self._values[0.0].noise
        return rounding

    def _allowed(self) -> Floats:
        """(K,): the error that is small enough."""
        own = self._scale()
        size: Floats = own if self._whole is None else 0.5 * (own + self._whole)
        return self._tolerance * size

    def _scale(self) -> Floats:
        """(K,): max(|f(1) - f(0)|, sum |scores|)."""
        change = np.abs(self._values[1.0].f - self._values[0.0].f)
        scale: Floats = np.maximum(change, np.abs(self._scores).sum(axis=1))
        return scale


def _sum(arrays: Iterable[Floats]) -> Floats:
    """The sum, without a copy of all of them: an image's have megabytes each."""
    first, *others = arrays
    total = first.copy()
    for array in others:
        total += array
    return total
