"""What the engine says that it computed."""

import threading
import time
from typing import Any

import pytest

from ligserve.server.workers.engine.batch import Batch
from ligserve.server.workers.engine.engine import Engine
from ligserve.server.workers.engine.outputs import ClassOutput
from ligserve.server.workers.engine.path import Path
from ligserve.server.workers.engine.scheduler import Slice
from ligserve.server.workers.engine.tally import Tally
from ligserve.server.workers.quadrature import FixedRule, gauss_legendre
from ligserve.v1 import explanation_pb2 as pb
from tests.workers.conftest import LoadZoo, Recorder
from tests.workers.test_engine import (
    PROBABILITY,
    TEXT,
    explained,
    hold_engine,
    rows_of_batches,
    spec_of,
)


def test_points_of_answers_and_of_a_cancelled_call_are_told_apart(load_zoo: LoadZoo) -> None:
    model = load_zoo("bert")
    spec = spec_of(model, TEXT)
    engine = Engine(token_budget=spec.length * 2)
    explained(engine, spec, PROBABILITY, steps=6)
    left = threading.Event()

    def leave(path: Path) -> None:
        path.cancel()
        left.set()

    # The second of the points at hand is heard of when it is computed: for nobody.
    engine.submit(Path(spec, FixedRule(*gauss_legendre(50)), Recorder([PROBABILITY], on_points=leave), None))
    assert left.wait(60)
    explained(engine, spec_of(model, "good"), PROBABILITY, steps=6)
    engine.close()
    counts = engine.tally.counts()
    assert counts["points"] == 8 + 2 + 8, "6 nodes and both ends; the batch at hand; 6 nodes and both ends"
    assert counts["late_points"] == 0
    assert counts["batches"] >= 4 + 1 + 1


class Unheard(Path):
    """A path whose cancelling the engine does not hear of."""

    @property
    def cancelled(self) -> bool:
        return False


def test_points_of_a_call_that_is_computed_on_in_spite_of_its_cancel_are_late(load_zoo: LoadZoo) -> None:
    spec = spec_of(load_zoo("bert"), TEXT)
    engine = Engine(token_budget=spec.length * 2)
    recorder = Recorder([PROBABILITY], on_points=lambda path: path.cancel())
    engine.submit(Unheard(spec, FixedRule(*gauss_legendre(10)), recorder, None))
    recorder.wait()
    engine.close()
    assert engine.tally.points == 12
    assert engine.tally.late_points == 12 - 2 - 2, "not those of its batch, nor of the one after it"


def test_points_are_carried_along_where_a_batch_of_many_targets_goes_on_for_others(
    load_zoo: LoadZoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_zoo("bert")
    engine = Engine()
    spaces = (pb.OUTPUT_SPACE_PROBABILITY, pb.OUTPUT_SPACE_LOG_ODDS, pb.OUTPUT_SPACE_LOGIT)
    many = [ClassOutput(index, None, space) for index in range(3) for space in spaces]
    leaving, staying = (
        Path(spec_of(model, TEXT), FixedRule(*gauss_legendre(5)), Recorder(many), None) for _ in range(2)
    )
    between = Recorder([PROBABILITY])
    other = Path(spec_of(model, "good"), FixedRule(*gauss_legendre(5)), between, None)
    begun = rows_of_batches(monkeypatch)
    take = Path.take

    def come_between(path: Path, count: int) -> Any:
        if path is leaving:
            engine.submit(other)
        return take(path, count)

    monkeypatch.setattr(Path, "take", come_between)
    between.on_points = lambda _: leaving.cancel()
    hold_engine(engine, model, [leaving, staying])
    assert isinstance(staying.listener, Recorder)
    staying.listener.wait()
    engine.close()
    assert len(begun) == 3, "the point that held the engine, both paths, the other path"
    assert leaving.cancelled
    assert engine.tally.late_points == 0
    # Nine targets are five turns: one before the cancel, the second right after it.
    assert engine.tally.carried_points == 3 * 7


def test_a_batch_that_waits_is_computed_without_those_who_left(load_zoo: LoadZoo) -> None:
    spec = spec_of(load_zoo("bert"), TEXT)
    leaving, staying = (Path(spec, FixedRule(*gauss_legendre(5)), Recorder([]), None) for _ in range(2))
    leaving.outputs = staying.outputs = [PROBABILITY]
    batch = Batch(
        [Slice(leaving, [0.1, 0.2], ((PROBABILITY,),) * 2), Slice(staying, [0.3], ((PROBABILITY,),))]
    )
    leaving.cancel()
    values = batch.values(batch.turn().tensors())
    assert [point.alpha for points in values for point in points] == [0.3]
    assert [piece.path for piece in batch.slices] == [staying]


def test_points_are_late_from_the_second_turn_after_the_call_was_cancelled(load_zoo: LoadZoo) -> None:
    path = Path(spec_of(load_zoo("bert"), TEXT), FixedRule(*gauss_legendre(5)), Recorder([]), None)
    tally = Tally()
    tally.turn([Slice(path, [0.1], ())], time.monotonic(), first=True)
    path.cancel()
    tally.done([Slice(path, [0.1], ())])
    tally.turn([Slice(path, [0.2, 0.3], ())], time.monotonic(), first=True)
    assert (tally.cancelled_points, tally.late_points) == (1, 0)
    tally.turn([Slice(path, [0.4, 0.5], ())], time.monotonic(), first=True)
    assert (tally.late_points, tally.carried_points) == (2, 0)
    tally.turn([Slice(path, [0.4, 0.5], ())], time.monotonic(), first=False)
    assert (tally.late_points, tally.carried_points) == (2, 2)
    assert tally.batches == 3
