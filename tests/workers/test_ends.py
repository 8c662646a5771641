"""The end of an answer of many targets begins in time before a deadline; till then others have turns."""

import time
from typing import Any

import pytest

from ligserve.server.workers.engine import deadlines, end_times, forward_work, in_flight
from ligserve.server.workers.engine import engine as engine_module
from ligserve.server.workers.engine.budgets import Budgets
from ligserve.server.workers.engine.end_times import MANY, MOST, PART_S, WAY, EndTimes
from ligserve.server.workers.engine.engine import Engine
from ligserve.server.workers.explainers import PLANNERS
from ligserve.server.workers.jobs import assignment, summary
from ligserve.server.workers.jobs.survey import Survey
from ligserve.server.workers.models.head import TOKEN
from ligserve.server.workers.models.loaded import TextModel
from ligserve.v1 import explanation_service_pb2 as service_pb
from tests.workers.conftest import LoadZoo
from tests.workers.test_deadlines import Clock
from tests.workers.test_documents import FAITHFUL, TEXT, Front

LIMIT_S, PASS_S, END_S = 1000.0, 20.0, 200.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """From now on, for the engine."""
    running = Clock()
    running.now = time.monotonic()
    for module in (engine_module, deadlines, forward_work, in_flight, end_times):
        monkeypatch.setattr(module, "time", running)
    return running


def tagger(load_zoo: LoadZoo) -> TextModel:
    return load_zoo("bert", 3, head=TOKEN)


def request() -> service_pb.ExplainRequest:
    asked = service_pb.ExplainRequest()
    asked.token_classification.text = TEXT
    asked.options.convention = FAITHFUL
    asked.options.long_input.window.stride = 100
    return asked


def test_a_reserve_grows_with_the_answer_and_with_what_ends_have_taken(clock: Clock) -> None:
    ends, deadline = EndTimes(), clock.now + LIMIT_S
    assert ends.before(None, 10) is None
    before = [ends.before(deadline, parts) for parts in (1, MANY, 100 * MANY, 10**9)]
    reserves = [deadline - each for each in before if each is not None]
    assert reserves[:3] == pytest.approx([PART_S, MANY * PART_S, 100 * MANY * PART_S], abs=1e-6)
    assert reserves[3] == pytest.approx(MOST * LIMIT_S)
    for parts, seconds in ((MANY, 5.0), (MANY, 2.0), (1, 100.0)):
        with ends.ending(parts):
            clock.now += seconds
    began = ends.before(deadline, 2 * MANY)
    assert began is not None
    assert deadline - began == pytest.approx(WAY * 2 * 5.0), "few parts tell nothing of many"


def test_a_slow_end_is_over_by_the_deadline(
    load_zoo: LoadZoo, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it takes far longer than a turn does."""
    monkeypatch.setattr(end_times, "PART_S", 1.0)
    ended = summary.summary_of

    def slowly(*args: Any) -> service_pb.Summary:
        clock.now += END_S
        return ended(*args)

    monkeypatch.setattr(assignment, "summary_of", slowly)
    engine = Engine(token_budget=16)
    plan = PLANNERS["token_classification"](request(), clock.moved_by(tagger(load_zoo), PASS_S))
    started = clock.now
    front = Front().run(plan, engine, seconds_left=LIMIT_S)
    engine.close()
    assert front.failure is None
    assert len(front.summary.targets) > END_S
    stopped = {target.stop_reason for target in front.summary.targets}
    assert service_pb.STOP_REASON_DEADLINE in stopped
    assert started + LIMIT_S / 2 < clock.now <= started + LIMIT_S


def test_the_targets_of_a_long_text_are_found_window_by_window(load_zoo: LoadZoo) -> None:
    plan = PLANNERS["token_classification"](request(), tagger(load_zoo))
    assert plan.document is not None
    survey = Survey(plan.paths, plan.document.ends_of)
    for _ in survey.steps(Budgets(1024)):
        pass
    steps = plan.document.outcome_steps(survey.logits())
    assert sum(1 for _ in steps) == len(plan.paths) > 1


def test_a_document_that_is_cancelled_while_its_targets_are_found_ends(
    load_zoo: LoadZoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No more of its windows are read, and no header is made."""
    plan = PLANNERS["token_classification"](request(), tagger(load_zoo))
    document, front, read = plan.document, Front(), list[int]()
    assert document is not None
    found = document.outcome

    def cancelled(logits: Any) -> Any:
        for number, _ in enumerate(found(logits)):  # type: ignore[arg-type]
            read.append(number)
            assert front.job is not None
            front.job.cancel()
            yield
        raise AssertionError("it went on")

    object.__setattr__(document, "outcome", cancelled)
    engine = Engine()
    front.run(plan, engine)
    engine.close()
    assert front.failure is None
    assert read == [0]
    assert front.all("header") == []
