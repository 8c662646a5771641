"""What is told of a document that the deadline cuts, or will: on a clock of the test's own, or by a hook."""

import itertools
import time
from typing import Any

import pytest

from ligserve.server.workers.costs.accounts import Accounts
from ligserve.server.workers.engine.engine import Engine
from ligserve.server.workers.jobs import time_limits
from ligserve.server.workers.jobs.time_limits import Countdown
from ligserve.v1 import explanation_service_pb2 as service_pb
from tests.workers.conftest import LoadZoo
from tests.workers.test_documents import TEXT, Front, plan_of, request_of


class Ticking:
    """Stands in for the time module: a second passes from one look at it to the next."""

    def __init__(self) -> None:
        self._now = itertools.count(time.monotonic())

    def monotonic(self) -> float:
        return next(self._now)


def cut_after_the_first_window(front: Front, event: service_pb.StreamExplainResponse) -> None:
    job: Any = front.job
    if event.HasField("estimate"):
        for part in job._windows._open.values():
            part.path.deadline = 0.0


def codes(warnings: Any) -> set[str]:
    return {warning.code for warning in warnings}


def test_a_countdown_is_up_before_a_step_would_end_too_late(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Ticking()
    monkeypatch.setattr(time_limits, "time", clock)
    countdown = Countdown(clock.monotonic() + 5.5)
    assert [countdown.up for _ in range(4)] == [False, False, False, True]
    assert not Countdown(None).up


@pytest.mark.parametrize(
    ("limit", "remedy"),
    [
        ({}, "give a longer timeout, or ask for a larger stride"),
        ({"time_limit": 600.0}, "at most 600 s (max_deadline_s, --max-deadline): ask for a larger stride"),
    ],
)
def test_a_deadline_in_the_survey_says_how_far_it_was(
    load_zoo: LoadZoo, monkeypatch: pytest.MonkeyPatch, limit: dict[str, Any], remedy: str
) -> None:
    engine = Engine(token_budget=256)
    plan = plan_of(load_zoo("bert"), request_of(" ".join([TEXT] * 3), stride=60))
    monkeypatch.setattr(time_limits, "time", Ticking())
    front = Front().run(plan, engine, seconds_left=8.5, **limit)
    engine.close()
    assert front.failure.code == 4
    windows = len(plan.paths)
    told = [f"when {done} of the text's {windows} windows were predicted" for done in range(1, windows)]
    assert any(each in front.failure.message for each in told), front.failure.message
    assert remedy in front.failure.message
    assert not front.all("header")


@pytest.mark.parametrize("limit", [{}, {"time_limit": 600.0}])
def test_an_answer_that_the_server_cut_says_so(
    load_zoo: LoadZoo, engine: Engine, limit: dict[str, Any]
) -> None:
    request = request_of(targets=(0,), stride=30)
    request.options.fixed_steps.n_steps = 20
    plan = plan_of(load_zoo("bert"), request)
    front = Front(at=cut_after_the_first_window).run(plan, engine, seconds_left=600.0, **limit)
    (target,) = front.summary.targets
    assert target.stop_reason == service_pb.STOP_REASON_DEADLINE
    assert ("SERVER_TIME_LIMIT" in codes(front.summary.warnings)) == bool(limit)
    if limit:
        (message,) = [w.message for w in front.summary.warnings if w.code == "SERVER_TIME_LIMIT"]
        assert "at most 600 s (max_deadline_s, --max-deadline)" in message


def test_an_answer_in_time_says_nothing_of_a_limit(load_zoo: LoadZoo, engine: Engine) -> None:
    plan = plan_of(load_zoo("bert"), request_of(targets=(0,)))
    front = Front().run(plan, engine, seconds_left=600.0, time_limit=600.0)
    assert not codes(front.summary.warnings) & {"SERVER_TIME_LIMIT"}
    assert not codes(front.header.warnings) & {"DEADLINE_TOO_SHORT"}


def test_a_header_warns_where_the_time_will_not_do(load_zoo: LoadZoo, engine: Engine) -> None:
    plan = plan_of(load_zoo("bert"), request_of(targets=(0,)))
    rates: list[float] = []

    def expected(rate: float) -> float:
        rates.append(rate)
        return 5000.0

    front = Front().run(plan, engine, explaining_s=expected, seconds_left=600.0)
    (message,) = [w.message for w in front.header.warnings if w.code == "DEADLINE_TOO_SHORT"]
    assert f"the {len(plan.paths)} windows is expected to take about 5000 s, but " in message
    assert rates[0] > 0


def test_what_the_points_will_take_follows_the_engines_speed(load_zoo: LoadZoo, engine: Engine) -> None:
    """Before its first batch, the rate of forward passes is all there is."""
    accounts, plan = Accounts({}, engine), plan_of(load_zoo("bert"), request_of(targets=(0,)))
    known = accounts.admit(plan)
    budget = engine.budgets.of(plan.model)
    cost = known.expected_points(1.0, budget)
    assert 0 < cost.token_passes < known.expected(1.0, budget).token_passes
    assert accounts.explaining_s(plan, known, 0.5) == 0.5 * cost.token_passes
    engine.speed(plan.paths[0].spec).saw(100, 25.0)
    assert accounts.explaining_s(plan, known, 0.5) == pytest.approx(0.25 * cost.token_passes)
