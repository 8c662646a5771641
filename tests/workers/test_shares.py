"""Turns between requests: short ones first, long ones all the same."""

import pytest

from ligserve.server.workers.engine.budgets import Budgets
from ligserve.server.workers.engine.engine import Engine
from ligserve.server.workers.engine.path import Path
from ligserve.server.workers.engine.scheduler import Scheduler
from ligserve.server.workers.engine.shares import EVERY
from ligserve.server.workers.models.loaded import TextModel
from ligserve.server.workers.quadrature import FixedRule, gauss_legendre
from tests.workers.conftest import LoadZoo, Recorder
from tests.workers.test_engine import PROBABILITY, TEXT, hold_engine, spec_of

LONG = " ".join([TEXT] * 6)


@pytest.fixture
def model(load_zoo: LoadZoo) -> TextModel:
    return load_zoo("bert")


@pytest.fixture
def scheduler(model: TextModel) -> Scheduler:
    """Its batches hold two rows of the long text."""
    return Scheduler(Budgets(2 * spec_of(model, LONG).length))


def path_of(model: TextModel, text: str, owner: object = None) -> Path:
    path = Path(
        spec_of(model, text), FixedRule(*gauss_legendre(200)), Recorder([PROBABILITY]), None, owner=owner
    )
    path.outputs = [PROBABILITY]
    return path


def test_all_batches_of_a_short_request_come_before_the_next_of_a_long_one(model: TextModel) -> None:
    engine = Engine(token_budget=64)
    long = Path(spec_of(model, LONG), FixedRule(*gauss_legendre(200)), Recorder([PROBABILITY]), None)
    before: list[int] = []
    recorder = Recorder([PROBABILITY], on_points=lambda _: before.append(long.cost.batches))
    short = Path(spec_of(model, "good"), FixedRule(*gauss_legendre(100)), recorder, None)
    hold_engine(engine, model, [long, short])
    recorder.wait()
    assert len(before) >= EVERY, "or it says nothing"
    assert before[-1] - before[0] <= 1 + len(before) // EVERY
    long.cancel()
    engine.close()


def test_many_short_requests_do_not_stop_a_long_one(model: TextModel, scheduler: Scheduler) -> None:
    long, turns = path_of(model, LONG), 0
    scheduler.add(long)
    for _ in range(10 * EVERY):
        scheduler.add(path_of(model, "good"))
        turns += any(piece.path is long for piece in scheduler.next_batch())
    assert turns >= 9


def test_requests_of_one_length_take_turns(model: TextModel, scheduler: Scheduler) -> None:
    """However many paths one of them has, and long before the other came."""
    crowd = [path_of(model, LONG, owner=scheduler) for _ in range(3)]
    single = path_of(model, LONG)
    for path in crowd:
        scheduler.add(path)
    for _ in range(5):
        scheduler.next_batch()
    scheduler.add(single)
    served = [{piece.path for piece in scheduler.next_batch()} for _ in range(24)]
    assert 10 <= sum(single in paths for paths in served) <= 16


def test_who_has_had_nothing_for_long_does_not_hold_up_the_others(
    model: TextModel, scheduler: Scheduler
) -> None:
    idle, busy = path_of(model, LONG), path_of(model, LONG)
    scheduler.add(idle)
    scheduler.next_batch()
    scheduler.remove(idle)
    scheduler.add(busy)
    for _ in range(20):
        scheduler.next_batch()
    scheduler.add(idle)
    served = [scheduler.next_batch()[0].path for _ in range(20)]
    assert busy in served[:10]
