"""Turns between requests: short ones first, long ones all the same."""

from collections import deque
from collections.abc import Sequence

import pytest

from ligserve.server.workers.engine.budgets import Budgets
from ligserve.server.workers.engine.engine import Engine
from ligserve.server.workers.engine.path import Path
from ligserve.server.workers.engine.scheduler import Scheduler
from ligserve.server.workers.engine.short_requests import OVERTAKING, SHORT
from ligserve.server.workers.engine.turns import EVERY, PATIENCE, Turns
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


def path_of(model: TextModel, text: str, owner: object = None, steps: int = 200) -> Path:
    path = Path(
        spec_of(model, text), FixedRule(*gauss_legendre(steps)), Recorder([PROBABILITY]), None, owner=owner
    )
    path.outputs = [PROBABILITY]
    return path


def served(turns: Turns) -> Sequence[Path]:
    """The paths whose points have the next turn, which are then done."""
    batch = turns.next_of(deque())
    assert batch is not None
    for piece in batch.slices:
        piece.path.cost.points += len(piece.alphas)
    return [piece.path for piece in batch.slices]


@pytest.mark.parametrize("crowd", [1, 8])
def test_a_short_request_waits_for_no_batch_of_long_ones_but_the_one_at_hand(
    model: TextModel, crowd: int
) -> None:
    engine = Engine(token_budget=64)
    rule = FixedRule(*gauss_legendre(400))
    longs = [Path(spec_of(model, LONG), rule, Recorder([PROBABILITY]), None) for _ in range(crowd)]
    others: list[int] = []

    def look(_path: Path) -> None:
        others.append(sum(long.cost.batches for long in longs))

    recorder = Recorder([PROBABILITY], on_points=look)
    short = Path(spec_of(model, "good"), FixedRule(*gauss_legendre(100)), recorder, None)
    hold_engine(engine, model, [*longs, short])
    recorder.wait()
    assert len(others) >= 4, "or it says nothing"
    assert set(others) == {0}
    for long in longs:
        long.cancel()
    engine.close()


def test_the_end_of_a_long_request_is_short(model: TextModel, scheduler: Scheduler) -> None:
    nearly, longer = path_of(model, LONG), path_of(model, LONG)
    scheduler.add(longer)
    scheduler.add(nearly)
    assert not scheduler.next_batch(short=True)
    nearly.cost.points = 190
    assert scheduler.next_batch(short=True)[0].path is nearly


def test_a_request_of_many_short_paths_is_not_short(model: TextModel, scheduler: Scheduler) -> None:
    for _ in range(8):
        scheduler.add(path_of(model, "good", owner=scheduler))
    assert not scheduler.next_batch(short=True)
    scheduler.add(path_of(model, "good"))
    assert scheduler.next_batch(short=True)


def test_a_request_whose_paths_come_one_after_the_other_is_not_short(
    model: TextModel, scheduler: Scheduler
) -> None:
    first = path_of(model, "good", owner=scheduler, steps=10)
    scheduler.add(first)
    first.cost.add_rows(SHORT, 1)
    scheduler.remove(first)
    scheduler.add(path_of(model, "good", owner=scheduler, steps=10))
    assert not scheduler.next_batch(short=True)
    assert scheduler.next_batch(short=False)


def test_a_request_that_takes_more_points_than_was_forecast_is_short_no_more(
    model: TextModel, scheduler: Scheduler
) -> None:
    path = path_of(model, "good", steps=10)
    scheduler.add(path)
    assert not scheduler.others_wait(scheduler.places())
    path.cost.points = SHORT
    assert scheduler.others_wait(scheduler.places())


def test_of_short_requests_the_shortest_is_next_and_company_of_its_length_joins_it(
    model: TextModel, scheduler: Scheduler
) -> None:
    first, shortest, like_it = (path_of(model, "good", steps=steps) for steps in (150, 4, 8))
    for path in (path_of(model, LONG), first, shortest, like_it):
        scheduler.add(path)
    assert [piece.path for piece in scheduler.next_batch()] == [shortest, like_it, first]


def test_shorter_requests_do_not_hold_up_one_that_is_less_short_for_ever(
    model: TextModel, scheduler: Scheduler
) -> None:
    patient, turns = path_of(model, TEXT, steps=60), Turns(scheduler)
    scheduler.add(patient)
    overtaken = 0
    scheduler.add(path_of(model, "good", steps=1))
    while patient not in served(turns):
        overtaken += 1
        assert overtaken <= SHORT // OVERTAKING
        scheduler.add(path_of(model, "good", steps=1))
    assert overtaken > 10, "a few may go first"


def test_many_short_requests_do_not_stop_a_long_one(model: TextModel, scheduler: Scheduler) -> None:
    """It may wait for a while, then has its share of the turns."""
    long, turns = path_of(model, LONG, steps=2000), Turns(scheduler)
    scheduler.add(long)
    of_long = []
    for _ in range(PATIENCE + 10 * EVERY):
        scheduler.add(path_of(model, "good", steps=60))
        of_long.append(long in served(turns))
    assert not any(of_long[:PATIENCE])
    assert sum(of_long[PATIENCE:]) == 10


def test_a_long_request_by_itself_is_owed_nothing(model: TextModel, scheduler: Scheduler) -> None:
    long, turns = path_of(model, LONG, steps=2000), Turns(scheduler)
    scheduler.add(long)
    for _ in range(PATIENCE):
        scheduler.add(path_of(model, "good", steps=1))
        assert long not in served(turns)
    for _ in range(PATIENCE):
        assert long in served(turns)
    scheduler.add(path_of(model, "good", steps=60))
    assert long not in served(turns)


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
