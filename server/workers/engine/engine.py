"""The loop over batches: one thread, one device, many paths."""

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import partial

from ligserve.server.workers.engine.admission import Admission
from ligserve.server.workers.engine.batch import Batch, Values
from ligserve.server.workers.engine.budgets import Budgets
from ligserve.server.workers.engine.deadlines import Deadlines
from ligserve.server.workers.engine.end_times import EndTimes
from ligserve.server.workers.engine.forward_work import ForwardWork
from ligserve.server.workers.engine.in_flight import InFlight, Turn, queued_turn
from ligserve.server.workers.engine.kept_points import KeptPoints
from ligserve.server.workers.engine.path import Path
from ligserve.server.workers.engine.retries import parts_of
from ligserve.server.workers.engine.scheduler import Scheduler, Slice
from ligserve.server.workers.engine.spec import PathSpec
from ligserve.server.workers.engine.speed import Speed
from ligserve.server.workers.engine.tally import Tally
from ligserve.server.workers.engine.turns import Turns
from ligserve.server.workers.failures import is_out_of_memory

# Turns whose results need not be there when the next is queued, so that the device always has work; with more
# of them, what is cancelled would only leave later. On a CPU results are there at once.
MAX_IN_FLIGHT = 1


def _reraise(error: BaseException) -> None:
    raise error


class Engine:
    """Runs the points of all paths that are submitted, until it is closed.

    Args:
        token_budget: most rows x padded length in a batch; 0 for what each model's probe has found.
        kept_bytes: most memory, for each model, that points take for later questions about the same input.
        broken: called in the engine's thread, which ends with it, when what is no path's fault goes wrong.

    Attributes:
        tally: what it has computed so far.
        ends: how long answers take that are given after the last point.
    """

    def __init__(
        self,
        token_budget: int = 0,
        kept_bytes: int = 0,
        broken: Callable[[BaseException], None] = _reraise,
    ) -> None:
        self.tally = Tally()
        self.ends = EndTimes()
        self._kept = KeptPoints(kept_bytes)
        self.budgets = Budgets(token_budget)
        self._inbox: queue.SimpleQueue[Iterator[None] | None] = queue.SimpleQueue()
        self._forward_work = ForwardWork()
        self._scheduler = Scheduler(self.budgets)
        self._admission = Admission(self._scheduler, self.budgets, self._kept)
        self._turns = Turns(self._scheduler)
        self._under_way: deque[Batch] = deque()
        self._in_flight = InFlight()
        self._closed = False
        self._broken = broken
        self._deadlines = Deadlines(self.budgets, self.speed)
        self._landed_at = 0.0
        self._speeds: dict[Hashable, Speed] = {}
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    def submit(self, *paths: Path) -> None:
        """Take paths in; their listeners hear of everything that follows. From any thread.

        Paths that are submitted together are all predicted before a point of any of them is computed.
        """
        self._inbox.put(self._admission.predicted(paths))

    def submit_work(self, steps: Iterator[None]) -> None:
        """Take work that is not points, such as forward passes. From any thread.

        A step is done between two batches of points, in the engine's thread; it must not raise.
        """
        self._inbox.put(steps)

    def schedule(self, path: Path) -> None:
        """Take in a path whose outputs are known; it starts at the next turn. From the engine's thread."""
        self.submit_work(self._admission.known(path))

    @property
    def keeps_points(self) -> bool:
        """Whether points are kept for later questions about the same input."""
        return self._kept.keeps

    def speed(self, spec: PathSpec) -> Speed:
        """How long batches of such paths take. From any thread."""
        return self._speeds.setdefault(spec.workload, Speed(spec.model.batches_tried))

    def close(self) -> None:
        """Stop after the batches at hand; unfinished paths are forgotten."""
        self._inbox.put(None)
        self._thread.join()

    def _run(self) -> None:
        try:
            self._loop()
        except BaseException as error:  # a tokenizer that panics is no Exception
            self._broken(error)

    def _loop(self) -> None:
        while True:
            self._admit()
            if self._closed:
                self._in_flight.land(0, self._land)
                return
            self._forward_work.step()
            self._in_flight.land(MAX_IN_FLIGHT, self._land)
            self._drop_finished()
            self._take_turn()

    def _admit(self) -> None:
        """Take in what was submitted; wait if there is nothing else to do."""
        wait = not (len(self._scheduler) or self._forward_work or self._in_flight)
        while True:
            try:
                steps = self._inbox.get(block=wait)
            except queue.Empty:
                return
            if steps is None:
                self._closed = True
                return
            self._forward_work.add(steps)
            wait = False

    def _drop_finished(self) -> None:
        # One look for all: paths in lock-step are cut together.
        for path in self._deadlines.late(
            self._scheduler, 1 + len(self._in_flight), self._forward_work.seconds
        ):
            self._admission.tell(path, path.stop_early)
        for path in self._scheduler:
            if path.cancelled or path.finished:
                self._scheduler.remove(path)
        self._under_way = deque(batch for batch in self._under_way if batch.wanted)

    def _take_turn(self) -> None:
        """One turn of the batch that is next; if there is none, wait."""
        batch = self._turns.next_of(self._under_way)
        if batch is not None:
            self._turn(batch)
        elif not self._forward_work:
            self._in_flight.land(len(self._in_flight) - 1, self._land)

    def _turn(self, batch: Batch) -> None:
        """Queue a turn, and deliver what is done meanwhile."""
        most = 0 if batch.alone else MAX_IN_FLIGHT
        if batch.alone or batch.predicting:
            self._in_flight.land(0, self._land)
        if batch.predicting or not batch.wanted:
            return
        started, first = time.monotonic(), not batch.holds_memory
        try:
            self._in_flight.add(queued_turn(batch))
        except Exception as error:
            # The turn before it may fail too, and must not have the same points made twice.
            self._in_flight.forget(batch)
            self._after_failure(batch.slices, error)
            return
        finally:
            self.tally.turn(batch.slices, started, first=first)
        if not batch.queued:
            self._under_way.append(batch)
        self._in_flight.land(most, self._land)

    def _land(self, turn: Turn) -> None:
        """Take what has come of a turn, or wait for it."""
        batch = turn.batch
        try:
            values = turn.values()
        except Exception as error:
            self._in_flight.forget(batch)
            self._under_way = deque(each for each in self._under_way if each is not batch)
            self._after_failure(batch.slices, error)
            return
        # The device did the turn before it first.
        started = max(turn.begun, self._landed_at)
        for path, logits in turn.predictions():
            self._admission.predict(path, logits)
        batch.predicting = ()
        if values is not None:
            self._deliver_all(batch.slices, values)
        self._landed_at = time.monotonic()
        took, spec = self._landed_at - started, batch.slices[0].path.spec
        batch.seconds += took
        self._deadlines.saw(spec.workload, took)
        if values is not None:
            self.speed(spec).saw(batch.token_passes, batch.seconds)

    def _deliver_all(self, slices: Sequence[Slice], values: Values) -> None:
        self.tally.done(slices)
        for piece, value in zip(slices, values, strict=True):
            piece.path.cost.add_rows(len(piece.alphas) + len(piece.ends), piece.path.spec.tokens)
            piece.path.cost.batches += 1
            if piece.wanted:
                self._admission.tell(piece.path, partial(piece.path.deliver, value, piece.outputs))

    def _after_failure(self, slices: Sequence[Slice], error: Exception) -> None:
        """Path by path, so that one cannot fail another; out of memory, in halves down to one row.

        Not while others hold memory, which they will give back.
        """
        path, alphas = slices[0].path, slices[0].alphas
        out_of_memory = is_out_of_memory(error)
        if out_of_memory and self._in_flight:
            self._in_flight.land(0, self._land)
            self._under_way.appendleft(Batch(slices, alone=True))
            return
        if out_of_memory and any(batch.holds_memory for batch in self._under_way):
            self._under_way.append(Batch(slices))
            return
        rows = sum(len(piece.alphas) for piece in slices)
        if out_of_memory and rows > 1:
            longest = max(piece.path.spec.tokens for piece in slices)
            self.budgets.halve(path.spec.model, rows * longest)
        if out_of_memory and len(alphas) == rows > 1 and not path.outputs:
            self._forward_work.add(self._admission.apart(path, alphas))
        elif parts := parts_of(slices, halve=out_of_memory):
            self._under_way.extend(parts)
        else:
            self._admission.give_up(path, error)
