"""How paths come in: predicted, known points taken, scheduled."""

from collections.abc import Callable, Iterator, Sequence

from torch import Tensor

from ligserve.server.workers.engine.budgets import Budgets
from ligserve.server.workers.engine.kept_points import KeptPoints
from ligserve.server.workers.engine.path import Path
from ligserve.server.workers.engine.prediction import predicted
from ligserve.server.workers.engine.scheduler import Scheduler


class Admission:
    """Takes paths in, and tells them what concerns them; called in the engine's thread.

    Args:
        scheduler: where paths wait for their turns.
        budgets: how large batches are.
        kept: the points that are known from before.
    """

    def __init__(self, scheduler: Scheduler, budgets: Budgets, kept: KeptPoints) -> None:
        self._scheduler = scheduler
        self._budgets = budgets
        self._kept = kept

    def predicted(self, paths: Sequence[Path]) -> Iterator[None]:
        """Predict paths; they are scheduled when all are predicted. One by itself may predict itself."""
        paths = [path for path in paths if self._fits(path)]
        if not paths:
            return
        (first, *others) = paths
        if first.predicts_itself and not others and not self._kept.has(first.spec):
            if self.tell(first, first.spec.check):
                self._scheduler.add(first)
            return
        for path in (yield from predicted(paths, self._budgets)):
            self._begin(path)

    def known(self, path: Path) -> Iterator[None]:
        """Schedule a path whose outputs are known."""
        if self._fits(path):
            self._begin(path)
        yield from ()

    def apart(self, path: Path, alphas: list[float]) -> Iterator[None]:
        """Predict a path after all by a forward pass: the batch of these points could not."""
        self._scheduler.remove(path)
        path.give_back(alphas)
        return self.predicted([path])

    def predict(self, path: Path, logits: Tensor) -> None:
        """Tell a path that is scheduled what a batch has found for its input, (C,) or (T, C)."""
        if path.cancelled or path.finished:
            return
        if self.tell(path, lambda: path.predict(logits)):
            self._begin(path)

    def tell(self, path: Path, step: Callable[[], None]) -> bool:
        """Do what calls a path's listener; what it raises ends that path alone. Whether it raised nothing."""
        try:
            step()
        except Exception as error:
            self.give_up(path, error)
            return False
        return True

    def give_up(self, path: Path, error: Exception) -> None:
        """End a path; what is under way of it is for nobody."""
        self._scheduler.remove(path)
        path.cancel()
        path.listener.failed(error)

    def _fits(self, path: Path) -> bool:
        """Whether memory can hold a row; else its path is given up, before anything is run."""
        return self.tell(path, lambda: self._budgets.check_row(path.spec))

    def _begin(self, path: Path) -> None:
        if not path.outputs:
            self.tell(path, path.skip)
            return
        self._scheduler.add(path)
        self.tell(path, lambda: path.begin(self._kept.of(path.spec, path.owner, path.least_bytes)))
