"""How many points a path will take, told before the first: the figures of docs/quadrature.md."""

import math
from dataclasses import dataclass
from itertools import pairwise

# Points of one target by tolerance: between the median and the ninth tenth of 70 paths, where about the mean
# is. Between two of them, and beyond the last, a line through the logarithms.
USUAL_POINTS = ((0.05, 16.0), (0.01, 21.0), (0.001, 44.0))
# Targets of one path need points at about the same places. What goes beyond the first round grows by this
# share with every doubling of their number: 28 labels were measured at 29 to 34 points for 1 %.
GROWTH_PER_DOUBLING = 0.3


@dataclass(frozen=True, slots=True)
class PointsForecast:
    """Points of one path.

    Attributes:
        least: it takes no fewer, but for a deadline.
        expected: by the documented figures.
        most: it takes no more.
        tolerance: what decides how many it takes; None for a number that is fixed.
    """

    least: int
    expected: float
    most: int
    tolerance: float | None = None

    def corrected(self, ratio: float) -> float:
        """What is expected where paths have taken `ratio` times what the figures say."""
        return min(max(ratio * self.expected, self.least), self.most)

    def without(self, known: int) -> "PointsForecast":
        """The same path where so many of its points need not be computed."""
        return PointsForecast(self.least - known, self.expected - known, self.most - known, self.tolerance)


def fixed_points(points: int) -> PointsForecast:
    """A number of points that is known."""
    return PointsForecast(points, float(points), points)


def adaptive_points(tolerance: float, targets: int, first: int, most: int) -> PointsForecast:
    """What an adaptive rule takes.

    Args:
        tolerance: relative, above 0.
        targets: how many it integrates.
        first: points of the first round.
        most: most points that it may use.
    """
    beyond = max(0.0, _usual_points(tolerance) - first)
    beyond *= 1 + GROWTH_PER_DOUBLING * math.log2(max(1, targets))
    return PointsForecast(first, min(first + beyond, most), most, tolerance)


def _usual_points(tolerance: float) -> float:
    pairs = list(pairwise(USUAL_POINTS))
    (loose, many), (tight, more) = next((pair for pair in pairs if tolerance >= pair[1][0]), pairs[-1])
    slope = math.log(more / many) / math.log(tight / loose)
    return many * math.exp(slope * math.log(tolerance / loose))
