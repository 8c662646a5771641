"""The loop over batches: one thread, one device, many paths."""

import queue
import threading
import time
from collections.abc import Sequence

from ligserve.server.workers.engine.batch import Batch
from ligserve.server.workers.engine.path import Path
from ligserve.server.workers.engine.scheduler import Scheduler, Slice
from ligserve.server.workers.failures import is_out_of_memory
from ligserve.server.workers.quadrature import NodeValue

# Rows x padded length in a batch; about 512 already saturate two cores.
DEFAULT_TOKEN_BUDGET = 1024
# An answer goes out this long before the deadline, and at least this many batches' time before it.
DEADLINE_MARGIN_S = 0.05
DEADLINE_MARGIN_BATCHES = 2.0


class Engine:
    """Runs the points of all paths that are submitted, until it is closed.

    Args:
        token_budget: most rows x padded length in a batch; 0 for the default.
    """

    def __init__(self, token_budget: int = 0) -> None:
        self._inbox: queue.SimpleQueue[Sequence[Path] | None] = queue.SimpleQueue()
        self._scheduler = Scheduler(token_budget or DEFAULT_TOKEN_BUDGET)
        self._closed = False
        self._batch_seconds = 0.0
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    def submit(self, *paths: Path) -> None:
        """Take paths in; their listeners hear of everything that follows. From any thread.

        Paths that are submitted together are all predicted before a point of any of them is computed.
        """
        self._inbox.put(paths)

    def close(self) -> None:
        """Stop after the batch at hand; unfinished paths are forgotten."""
        self._inbox.put(None)
        self._thread.join()

    def _run(self) -> None:
        while True:
            self._admit()
            if self._closed:
                return
            self._drop_finished()
            batch = self._scheduler.next_batch()
            if batch:
                self._run_batch(batch)

    def _admit(self) -> None:
        """Take in what was submitted; wait if there is nothing else to do."""
        wait = not len(self._scheduler)
        while True:
            try:
                paths = self._inbox.get(block=wait)
            except queue.Empty:
                return
            if paths is None:
                self._closed = True
                return
            for path in paths:
                self._prepare(path)
            wait = wait and not len(self._scheduler)

    def _prepare(self, path: Path) -> None:
        if path.cancelled:
            return
        try:
            path.outputs = path.listener.predicted(path.spec.predict())
            path.cost.rows += 1
            path.cost.tokens += path.spec.tokens
            path.ends = path.spec.ends()
        except Exception as error:
            path.listener.failed(error)
        else:
            self._scheduler.add(path)

    def _drop_finished(self) -> None:
        now = time.monotonic()
        margin = max(DEADLINE_MARGIN_S, DEADLINE_MARGIN_BATCHES * self._batch_seconds)
        for path in self._scheduler:
            near = path.deadline is not None and now > path.deadline - margin
            if path.cancelled or path.finished:
                self._scheduler.remove(path)
            elif near and path.rule.estimate() is not None:
                self._scheduler.remove(path)
                path.stop_early()

    def _run_batch(self, slices: Sequence[Slice]) -> None:
        started = time.monotonic()
        try:
            values = Batch(slices).run()
        except Exception as error:
            self._after_failure(slices, error)
            return
        self._batch_seconds = time.monotonic() - started
        for piece, value in zip(slices, values, strict=True):
            _count(piece)
            self._deliver(piece.path, value)

    def _deliver(self, path: Path, values: Sequence[tuple[float, NodeValue]]) -> None:
        try:
            path.deliver(values)
        except Exception as error:
            self._scheduler.remove(path)
            path.listener.failed(error)

    def _after_failure(self, slices: Sequence[Slice], error: Exception) -> None:
        """Path by path, so that one cannot fail another; out of memory, in halves down to one row."""
        if len(slices) > 1:
            for piece in slices:
                self._run_batch([piece])
            return
        path, alphas = slices[0].path, slices[0].alphas
        if is_out_of_memory(error) and len(alphas) > 1:
            middle = len(alphas) // 2
            self._run_batch([Slice(path, alphas[:middle])])
            if not path.cancelled:
                self._run_batch([Slice(path, alphas[middle:])])
            return
        self._scheduler.remove(path)
        path.cancel()
        path.listener.failed(error)


def _count(piece: Slice) -> None:
    cost = piece.path.cost
    cost.rows += len(piece.alphas)
    cost.tokens += len(piece.alphas) * piece.path.spec.tokens
    cost.batches += 1
