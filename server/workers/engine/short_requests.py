"""Which requests are short, and which of them is next: the one that is nearest to its end."""

from collections.abc import Iterable, Mapping
from weakref import WeakKeyDictionary

from ligserve.server.workers.engine.path import Path
from ligserve.server.workers.quadrature import PointsForecast

# Token passes that a short request has before it at most: a sentence in 50 steps, or the end of a longer one.
# On a CPU that is three full batches.
SHORT = 3072
# One that came earlier goes first unless it has so many more before it, for each arrival between them: else
# shorter ones could keep it waiting for ever.
OVERTAKING = 32


class ShortRequests:
    """Knows what the paths of each owner have before them, as far as their rules can forecast it."""

    def __init__(self) -> None:
        self._forecasts: WeakKeyDictionary[Path, PointsForecast] = WeakKeyDictionary()
        self._arrivals: WeakKeyDictionary[object, int] = WeakKeyDictionary()
        self._arrived = 0
        # Token passes of paths that have left. Where they come one after the other, as the windows of a long
        # text do, nobody knows how many are to come: as much as there was.
        self._had: WeakKeyDictionary[object, int] = WeakKeyDictionary()

    def arrive(self, path: Path) -> None:
        """A path is to have turns; or it has them, and is predicted now."""
        self._forecasts[path] = path.rule.forecast(_targets(path))
        self._arrivals.setdefault(path.owner, self._arrived)
        self._arrived += 1

    def leave(self, path: Path) -> None:
        """A path has no more turns."""
        self._had[path.owner] = self._had.get(path.owner, 0) + path.cost.token_passes

    def places(self, paths: Iterable[Path]) -> Mapping[object, float]:
        """Of all paths that have arrived, the owners that have little before them; the next has the least."""
        left: dict[object, float] = {}
        for path in paths:
            left[path.owner] = left.get(path.owner, self._had.get(path.owner, 0)) + self._left(path)
        return {
            owner: passes + OVERTAKING * self._arrivals[owner]
            for owner, passes in left.items()
            if passes <= SHORT
        }

    def _left(self, path: Path) -> float:
        """Token passes; one that takes more points than was forecast may take as many more again."""
        done, forecast = path.cost.points_there, self._forecasts[path]
        points = max(path.planned - done, abs(forecast.expected - done))
        return points * path.spec.tokens * (1 + forecast.share * _targets(path))


def _targets(path: Path) -> int:
    return len(path.outputs) or path.evaluations
