"""Deadlines, on a clock that only the models' passes move; and what goes wrong beside paths' own work."""

import dataclasses
import queue
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ligserve.server.workers.engine import deadlines, forward_work, in_flight
from ligserve.server.workers.engine import engine as engine_module
from ligserve.server.workers.engine import path as path_module
from ligserve.server.workers.engine.deadlines import MARGIN_S
from ligserve.server.workers.engine.engine import Engine
from ligserve.server.workers.engine.outputs import ClassOutput
from ligserve.server.workers.engine.path import Path
from ligserve.server.workers.engine.scheduler import Scheduler
from ligserve.server.workers.models.loaded import TextModel
from ligserve.server.workers.quadrature import AdaptiveRule, FixedRule, LockStep, PathEstimate, midpoint
from ligserve.server.workers.quadrature.rule import Floats
from ligserve.v1 import explanation_pb2 as pb
from tests.workers.conftest import LoadZoo, Recorder
from tests.workers.test_engine import PROBABILITY, TEXT, Forgetful, hold_engine, spec_of

# What each pass with gradients takes.
SLOW_S, FAST_S = 10.0, 4.0
# What closing a round takes, and what there is for all.
CLOSING_S, LONG_S = 6.0, 160.0
NO_LIMIT = 1 << 30
LOGIT = ClassOutput(1, None, pb.OUTPUT_SPACE_LOGIT)


def softmax_of_two(logits: Floats) -> tuple[Floats, Floats, Floats]:
    p = np.exp(logits) / np.exp(logits).sum()
    return p, np.diag(p) - np.outer(p, p), logits - logits[::-1]


class Clock:
    """Stands in for the time module of the engine's modules."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def moved_by(self, model: TextModel, seconds: float) -> TextModel:
        """The same model, as one whose every pass with gradients takes so long."""

        def passed() -> None:
            self.now += seconds

        network = Timed(model.network, passed)
        return dataclasses.replace(model, name=f"{seconds} s", network=cast(Any, network))


class Timed(Forgetful):
    """A network that tells of every pass with gradients."""

    def __init__(self, network: nn.Module, passed: Callable[[], None]) -> None:
        super().__init__(network, NO_LIMIT)
        self._passed = passed

    def forward(self, input_ids: Tensor, **others: Tensor) -> object:
        if torch.is_grad_enabled():
            self._passed()
        return super().forward(input_ids, **others)


class Hurried(Recorder):
    """Sets the deadline of a path once its first round is closed."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        super().__init__([PROBABILITY])
        self._clock, self._seconds = clock, seconds
        self.finished_at = 0.0

    def round_done(self, path: Path) -> None:
        super().round_done(path)
        if path.deadline is None:
            path.deadline = self._clock.now + self._seconds

    def finished(self, path: Path) -> None:
        self.finished_at = self._clock.now
        super().finished(path)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    running = Clock()
    for module in (engine_module, deadlines, forward_work, in_flight):
        monkeypatch.setattr(module, "time", running)
    return running


@pytest.mark.parametrize("seconds", [43.0, 50.3, 57.9, 65.0])
def test_an_answer_leaves_in_time_beside_faster_models(
    load_zoo: LoadZoo, clock: Clock, seconds: float
) -> None:
    """The last turn before the path's own, which would come too late, is another model's."""
    slow, fast = clock.moved_by(load_zoo("bert"), SLOW_S), clock.moved_by(load_zoo("electra"), FAST_S)
    engine = Engine(token_budget=16)
    hurried = Hurried(clock, seconds)
    path = Path(spec_of(slow, TEXT), AdaptiveRule(1e-7, 512), hurried, None)
    others = [
        Path(spec_of(fast, "good"), FixedRule(*midpoint(1024)), Recorder([PROBABILITY]), None)
        for _ in range(12)
    ]
    hold_engine(engine, fast, [path, *others])
    hurried.wait()
    for other in others:
        assert not other.finished, "the engine was not busy with others all the time"
        other.cancel()
    engine.close()
    assert path.cut_by_deadline
    assert path.deadline is not None
    assert path.deadline - 2 * SLOW_S < hurried.finished_at <= path.deadline


class Ticking(Clock):
    """Goes on by so much with every look."""

    tick = 0.0

    def monotonic(self) -> float:
        self.now += self.tick
        return self.now


def test_paths_in_lock_step_are_cut_together(load_zoo: LoadZoo, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the time comes between two looks at the clock."""
    clock = Ticking()
    for module in (engine_module, deadlines, forward_work, in_flight):
        monkeypatch.setattr(module, "time", clock)
    specs = [spec_of(load_zoo("bert"), text) for text in (TEXT, " ".join(TEXT.split()[:9]))]
    engine = Engine(token_budget=specs[0].length)
    drop = engine._drop_finished
    whole = LockStep(AdaptiveRule(1e-7, 512), softmax_of_two, [spec.length for spec in specs])
    recorders = [Recorder([LOGIT]) for _ in specs]
    paths = [
        Path(spec, member, recorder, None, owner=whole, dispensable=True)
        for spec, member, recorder in zip(specs, whole.members, recorders, strict=True)
    ]
    cuts: list[tuple[bool, bool]] = []

    def between_two_looks() -> None:
        """Once: the path that is looked at first has points to come, the other waits for it."""
        waiting = [path for path in engine._scheduler if path in paths]
        if not cuts and len(waiting) == 2 and waiting[0].due and waiting[1]._waits and whole.estimate():
            for path in paths:
                path.deadline = clock.now + 1.5 + MARGIN_S
            clock.tick = 1.0
            drop()
            cuts.append((waiting[0].cut_by_deadline, waiting[1].cut_by_deadline))
            clock.tick = 0.0
        else:
            drop()

    monkeypatch.setattr(engine, "_drop_finished", between_two_looks)
    engine.submit(*paths)
    assert [recorder.wait().error for recorder in recorders] == [None, None]
    engine.close()
    assert len(cuts) == 1
    assert len(set(cuts[0])) == 1
    estimate = whole.estimate()
    assert estimate is not None
    assert (np.abs(estimate.convergence_delta) <= estimate.error_bound).all()


class SlowToClose(AdaptiveRule):
    """Takes long to close a round."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(1e-7, 512)
        self._clock = clock

    def advance(self) -> list[float]:
        self._clock.now += CLOSING_S
        return super().advance()

    def cut(self) -> None:
        self._clock.now += CLOSING_S
        super().cut()


def test_answers_that_are_cut_together_are_all_in_time(
    load_zoo: LoadZoo, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are closed one after the other."""
    monkeypatch.setattr(path_module, "time", clock)
    model, deadline = clock.moved_by(load_zoo("bert"), 1.0), clock.now + LONG_S
    recorders = [Recorder([PROBABILITY]) for _ in range(4)]
    ended: list[float] = []
    for recorder in recorders:
        monkeypatch.setattr(recorder, "finished", partial(_ended, recorder, ended, clock))
    engine = Engine(token_budget=32)
    spec = spec_of(model, TEXT)
    paths = [Path(spec, SlowToClose(clock), recorder, deadline) for recorder in recorders]
    hold_engine(engine, model, paths)
    for recorder in recorders:
        assert recorder.wait().error is None
    engine.close()
    assert all(path.cut_by_deadline for path in paths)
    assert deadline - LONG_S / 2 < max(ended) <= deadline


def _ended(recorder: Recorder, ended: list[float], clock: Clock, path: Path) -> None:
    ended.append(clock.now)
    Recorder.finished(recorder, path)


class Exhausted(AdaptiveRule):
    """Has no memory for an estimate."""

    def estimate(self) -> PathEstimate | None:
        raise MemoryError


def test_a_path_whose_estimate_fails_near_the_deadline_fails_alone(load_zoo: LoadZoo, engine: Engine) -> None:
    model = load_zoo("bert")
    bad, good = Recorder([PROBABILITY]), Recorder([PROBABILITY])
    paths = [
        Path(spec_of(model, TEXT), Exhausted(1e-6, 512), bad, 0.0),
        Path(spec_of(model, TEXT), FixedRule(*midpoint(20)), good, None),
    ]
    hold_engine(engine, model, paths)
    assert isinstance(bad.wait().error, MemoryError)
    assert good.wait().error is None


def test_an_engine_that_breaks_tells_so(load_zoo: LoadZoo, monkeypatch: pytest.MonkeyPatch) -> None:
    """By what no path is to blame for."""
    broken: queue.SimpleQueue[BaseException] = queue.SimpleQueue()

    def exhausted(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Scheduler, "next_batch", exhausted)
    engine = Engine(broken=broken.put)
    path = Path(spec_of(load_zoo("bert"), TEXT), AdaptiveRule(1e-6, 512), Recorder([PROBABILITY]), None)
    engine.submit(path)
    assert isinstance(broken.get(timeout=60), MemoryError)
    engine.close()
