"""How many points a path will take, told before the first: the figures of docs/quadrature.md."""

import math
from dataclasses import dataclass, replace
from itertools import pairwise

# Points of one target by tolerance: between the median and the ninth tenth of 70 paths, where about the mean
# is. Between two of them, and beyond the last, a line through the logarithms.
USUAL_POINTS = ((0.05, 16.0), (0.01, 21.0), (0.001, 44.0))
# Targets of one path need points at about the same places. What goes beyond the first round grows by this
# share with every doubling of their number: 28 labels were measured at 29 to 34 points for 1 %.
GROWTH_PER_DOUBLING = 0.3
# The same where every target has points of its own: 4, 12, 28 and 39 targets were measured at 27, 34, 33 to
# 41 and 47 points for 1 %, of which each took 20 to 25.
SEPARATE_GROWTH = 0.6


@dataclass(frozen=True, slots=True)
class PointsForecast:
    """Points of one path.

    Attributes:
        least: it takes no fewer, but for a deadline.
        expected: by the documented figures.
        most: it takes no more.
        tolerance: what decides how many it takes; None for a number that is fixed.
        share: at which part of those that are expected a target is evaluated.
    """

    least: int
    expected: float
    most: int
    tolerance: float | None = None
    share: float = 1.0

    def corrected(self, ratio: float) -> float:
        """What is expected where paths have taken `ratio` times what the figures say."""
        return min(max(ratio * self.expected, self.least), self.most)

    def without(self, known: int) -> "PointsForecast":
        """The same path where so many of its points need not be computed."""
        least, expected, most = self.least - known, self.expected - known, self.most - known
        return replace(self, least=least, expected=expected, most=most)


def fixed_points(points: int) -> PointsForecast:
    """A number of points that is known."""
    return PointsForecast(points, float(points), points)


def adaptive_points(
    tolerance: float, targets: int, first: int, most: int, *, separate: bool = False
) -> PointsForecast:
    """What an adaptive rule takes.

    Args:
        tolerance: relative, above 0.
        targets: how many it integrates.
        first: points of the first round.
        most: most points that it may use.
        separate: whether each target has points of its own.
    """
    beyond = max(0.0, _usual_points(tolerance) - first)
    growth = SEPARATE_GROWTH if separate else GROWTH_PER_DOUBLING
    expected = first + beyond * (1 + growth * math.log2(max(1, targets)))
    share = (first + beyond) / expected if separate else 1.0
    return PointsForecast(first, min(expected, most), most, tolerance, share)


def _usual_points(tolerance: float) -> float:
    pairs = list(pairwise(USUAL_POINTS))
    (loose, many), (tight, more) = next((pair for pair in pairs if tolerance >= pair[1][0]), pairs[-1])
    slope = math.log(more / many) / math.log(tight / loose)
    return many * math.exp(slope * math.log(tolerance / loose))
