"""Which paths have to end now, so that their answers are out before their deadlines."""

import time
from collections.abc import Callable, Hashable, Iterable, Iterator
from itertools import groupby
from math import inf

from ligserve.server.workers.engine.budgets import Budgets
from ligserve.server.workers.engine.end_times import WAY
from ligserve.server.workers.engine.path import Path
from ligserve.server.workers.engine.self_prediction import OUTPUTS_PER_TURN
from ligserve.server.workers.engine.spec import PathSpec
from ligserve.server.workers.engine.speed import Speed
from ligserve.server.workers.engine.turn_times import TurnTimes

# Nobody looks closer while the nearest deadline is as far as that, and so many times as far as recent turns
# ask for.
FAR_S, FAR = 10.0, 20.0
# The next turn may take so many times what the longest recent one took, or what its size tells.
SLACK = 1.25
# What else it takes to give an answer.
MARGIN_S = 0.05


class Deadlines:
    """Knows how long turns and ends take.

    Args:
        budgets: how large the next batch of a path may be.
        speed: how long batches of such paths take.
    """

    def __init__(self, budgets: Budgets, speed: Callable[[PathSpec], Speed]) -> None:
        self._budgets = budgets
        self._speed = speed
        self._turn_times = TurnTimes()

    def saw(self, workload: Hashable, seconds: float) -> None:
        """Learn from a turn."""
        self._turn_times.saw(workload, seconds)

    def late(self, paths: Iterable[Path], turns: int, work_seconds: float) -> list[Path]:
        """The paths whose answers have to leave now; those of one deadline all together or not at all.

        Args:
            paths: all that are active.
            turns: how many turns there may be until the next look.
            work_seconds: what else is done until then.
        """
        now = time.monotonic()
        active = [path for path in paths if not path.cancelled]
        timed = sorted((path for path in active if path.deadline is not None), key=_deadline)
        seen = turns * self._turn_times.longest(path.spec.workload for path in active)
        far = max(FAR_S, FAR * (seen + work_seconds + _closing(timed)))
        if not timed or _deadline(timed[0]) - now > far:
            return []
        next_turn = turns * max(self._next_turns(active), default=0.0)
        margin = MARGIN_S + work_seconds + SLACK * max(seen, next_turn)
        late: list[Path] = []
        for deadline, group in groupby(timed, key=_deadline):
            together = list(group)
            # Those before it, and all of its own, are closed one after the other.
            margin += WAY * _closing(together)
            if now > deadline - margin:
                late += together
        return late

    def _next_turns(self, paths: Iterable[Path]) -> Iterator[float]:
        """Seconds of the largest next turn of each workload."""
        largest: dict[Hashable, tuple[int, PathSpec]] = {}
        for path in paths:
            passes, workload = self._next_passes(path), path.spec.workload
            if passes and (workload not in largest or passes > largest[workload][0]):
                largest[workload] = passes, path.spec
        for passes, spec in largest.values():
            yield self._speed(spec).seconds(1, passes) or 0.0

    def _next_passes(self, path: Path) -> int:
        """Token passes of its next turn, at most; 0 where none is due."""
        if not path.due:
            return 0
        tokens = path.spec.tokens
        rows = min(len(path.due), max(1, self._budgets.rows(path.spec.model, tokens)))
        return rows * tokens * (1 + min(path.evaluations, OUTPUTS_PER_TURN))


def _deadline(path: Path) -> float:
    return inf if path.deadline is None else path.deadline


def _closing(paths: Iterable[Path]) -> float:
    return sum(path.closing_seconds for path in paths)
