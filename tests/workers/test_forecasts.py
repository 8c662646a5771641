"""What a request will cost, told in a worker that runs nothing for it."""

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from google.rpc import error_details_pb2
from torch import nn

from ligserve.internal.v1.frames_pb2 import JobEvent, ModelSource, RunJob, StartWorker, WorkerFrame
from ligserve.server.framing import LENGTH_BYTES, frame_length
from ligserve.server.workers.costs.accounts import Accounts
from ligserve.server.workers.costs.learnt_points import PRIOR_REQUESTS, REMEMBERED, LearntPoints
from ligserve.server.workers.engine.engine import Engine
from ligserve.server.workers.engine.speed import Speed
from ligserve.server.workers.explainers import PLANNERS
from ligserve.server.workers.models.head import SPAN, TOKEN
from ligserve.server.workers.models.loaded import TextModel
from ligserve.server.workers.pipe import Pipe
from ligserve.server.workers.probes.probe_requests import PROBE_REQUESTS
from ligserve.server.workers.process import Worker
from ligserve.server.workers.quadrature import AdaptiveRule, FixedRule, PointsForecast, midpoint
from ligserve.v1 import explanation_pb2 as pb
from ligserve.v1 import explanation_service_pb2 as service_pb
from tests.conftest import ENTITY_LABELS, NLI_LABELS
from tests.workers.conftest import LoadZoo
from tests.zoo.corpus import SENTENCES

CONVENTIONS = (pb.CONVENTION_FAITHFUL, pb.CONVENTION_LIBRARY)


class RunningWorker:
    """A worker in this process, at the other end of a real socket, with one model."""

    def __init__(self, model: TextModel, limit: int) -> None:
        self._ours, self._theirs = socket.socketpair()
        self._pipe = Pipe(self._theirs)
        self._model = model.name
        source = ModelSource(name=model.name, max_token_passes=limit)
        self._worker = Worker(StartWorker(models=[source]), {model.name: model}, self._pipe)
        self._jobs = 0

    def answers(self, request: service_pb.ExplainRequest, **order: Any) -> list[WorkerFrame]:
        """What the worker says of a job, to its end."""
        self._jobs += 1
        request.model = self._model
        self._worker.run(RunJob(job_id=self._jobs, request_id="one", request=request, **order))
        said = [self._frame()]
        while not said[-1].HasField("ended"):
            said.append(self._frame())
        return said

    def forecast(self, request: service_pb.ExplainRequest) -> service_pb.EstimateCostResponse:
        first, last = self.answers(request, only_forecast=True)
        assert not last.ended.HasField("failure")
        said: JobEvent = first.event
        assert said.WhichOneof("said") == "forecast"
        return said.forecast

    def close(self) -> None:
        self._pipe.flush()
        self._ours.close()
        self._theirs.close()

    def _frame(self) -> WorkerFrame:
        return WorkerFrame.FromString(self._exactly(frame_length(self._exactly(LENGTH_BYTES))))

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            data += self._ours.recv(count - len(data))
        return data


@pytest.fixture
def working() -> Iterator[Callable[..., RunningWorker]]:
    running = []

    def start(model: TextModel, limit: int = 0) -> RunningWorker:
        running.append(RunningWorker(model, limit))
        return running[-1]

    yield start
    for worker in running:
        worker.close()


@pytest.fixture
def forwards(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """From now on, the class of every module that is run in this process."""
    ran: list[str] = []
    call = nn.Module.__call__

    def counting(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        ran.append(type(module).__name__)
        return call(module, *args, **kwargs)

    monkeypatch.setattr(nn.Module, "__call__", counting)
    return ran


def of_text(text: str, steps: int = 3) -> service_pb.ExplainRequest:
    request = service_pb.ExplainRequest()
    request.sequence_classification.text = text
    request.options.fixed_steps.n_steps = steps
    return request


@pytest.mark.parametrize("explainer", [name for name in PROBE_REQUESTS if name != "image_classification"])
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_no_module_of_the_model_is_run(
    load_zoo: LoadZoo,
    working: Callable[..., RunningWorker],
    forwards: list[str],
    explainer: str,
    convention: "pb.Convention.ValueType",
) -> None:
    match explainer:
        case "token_classification":
            model = load_zoo("roberta", labels=ENTITY_LABELS, head=TOKEN)
        case "question_answering":
            model = load_zoo("roberta", 2, head=SPAN)
        case _:
            model = load_zoo("bert", labels=NLI_LABELS)
    request = service_pb.ExplainRequest()
    request.CopyFrom(PROBE_REQUESTS[explainer])
    request.options.convention = convention
    worker = working(model)
    forwards.clear()
    forecast = worker.forecast(request)
    assert forecast.expected.points > 0
    assert forwards == []
    worker.answers(request)
    assert forwards, "a run does run them"


def test_no_module_is_run_for_a_document(
    load_zoo: LoadZoo, working: Callable[..., RunningWorker], forwards: list[str]
) -> None:
    worker = working(load_zoo("bert"))
    forwards.clear()
    assert worker.forecast(of_text(" ".join(SENTENCES * 20))).windows > 20
    assert forwards == []


def test_the_limit_is_held_before_anything_is_run(
    load_zoo: LoadZoo, working: Callable[..., RunningWorker], forwards: list[str]
) -> None:
    model = load_zoo("bert")
    forecast = working(model).forecast(of_text(SENTENCES[0]))
    cost, expected = forecast.judged_token_passes, forecast.expected
    worker = working(model, limit=cost)
    forwards.clear()
    (refused,) = worker.answers(of_text(SENTENCES[0], steps=4))
    assert forwards == []
    failure = refused.ended.failure
    length = cost // (expected.rows + expected.gradients)
    assert f"about {cost + 2 * length} token passes" in failure.message
    assert f"at most {cost};" in failure.message
    info = error_details_pb2.ErrorInfo()
    assert failure.details[0].Unpack(info)
    assert info.reason == "COST_ABOVE_LIMIT"
    assert info.metadata == {"token_passes": str(cost + 2 * length), "max_token_passes": str(cost)}
    *_, ended = worker.answers(of_text(SENTENCES[0]))
    assert not ended.ended.HasField("failure"), "the limit itself is allowed"
    told = worker.forecast(of_text(SENTENCES[0], steps=4))
    assert (told.judged_token_passes, told.max_token_passes) == (cost + 2 * length, cost)


def test_what_was_learnt_does_not_move_what_is_judged(
    load_zoo: LoadZoo, working: Callable[..., RunningWorker]
) -> None:
    worker, request = working(load_zoo("bert")), service_pb.ExplainRequest()
    request.sequence_classification.text = SENTENCES[0]
    before = worker.forecast(request)
    worker.answers(request)
    after = worker.forecast(request)
    assert after.learnt_from == before.learnt_from + 1
    assert after.judged_token_passes == before.judged_token_passes == before.expected.token_passes


@pytest.mark.parametrize(
    ("reason", "learnt"), [(service_pb.STOP_REASON_DEADLINE, 0), (service_pb.STOP_REASON_NOISE_FLOOR, 1)]
)
def test_a_request_that_was_cut_teaches_nothing(
    load_zoo: LoadZoo, engine: Engine, reason: "service_pb.StopReason.ValueType", learnt: int
) -> None:
    accounts, request = Accounts({}, engine), service_pb.ExplainRequest()
    request.sequence_classification.text = SENTENCES[0]
    plan = PLANNERS["sequence_classification"](request, load_zoo("bert"))
    summary = service_pb.Summary(
        targets=[service_pb.TargetSummary(stop_reason=reason)], cost=service_pb.Cost(points=15)
    )
    accounts.learn(plan, accounts.admit(plan), summary)
    assert accounts.told(plan, 0.0).learnt_from == learnt


def test_documented_figures() -> None:
    usual = {
        tolerance: AdaptiveRule(tolerance, 1024).forecast(1).expected for tolerance in (0.05, 0.01, 0.001)
    }
    assert usual == pytest.approx({0.05: 16, 0.01: 21, 0.001: 44})
    assert 29 <= AdaptiveRule(0.01, 1024).forecast(28).expected <= 34
    tolerances = [10 ** (-n / 4) for n in range(25)]
    several = [AdaptiveRule(tolerance, 100).forecast(3).expected for tolerance in tolerances]
    assert several == sorted(several)
    assert (several[0], several[-1]) == (15, 100)
    assert FixedRule(*midpoint(7)).forecast(3) == PointsForecast(9, 9.0, 9)


def test_points_are_corrected_within_what_is_possible() -> None:
    points = AdaptiveRule(0.01, 30).forecast(1)
    assert [points.corrected(ratio) for ratio in (0.1, 1.0, 9.0)] == [15, pytest.approx(21), 30]
    assert FixedRule(*midpoint(7)).forecast(1).corrected(3.0) == 9


def test_what_is_learnt_is_of_one_kind_and_recent() -> None:
    learnt = LearntPoints()
    learnt.learn("m", "paths", 0.01, 2.0)
    assert learnt.correction("m", "paths", 0.012).requests == 1
    assert learnt.correction("m", "paths", 0.01).ratio == (PRIOR_REQUESTS + 2) / (PRIOR_REQUESTS + 1)
    for model, kind, tolerance in (("o", "paths", 0.01), ("m", "windows", 0.01), ("m", "paths", 0.1)):
        assert learnt.correction(model, kind, tolerance).requests == 0
    assert learnt.correction("m", "paths", None).ratio == 1
    for _ in range(REMEMBERED + 5):
        learnt.learn("m", "paths", 0.01, 1.0)
    correction = learnt.correction("m", "paths", 0.01)
    assert (correction.ratio, correction.requests) == (1, REMEMBERED)


def test_speed_is_a_line_that_one_slow_batch_does_not_bend() -> None:
    speed = Speed()
    assert speed.seconds(1, 100) is None
    speed.saw(100, 0.2)
    assert speed.seconds(1, 50) == pytest.approx(0.1)
    for passes in (100, 200, 400, 800, 1600):
        speed.saw(passes, 0.015 + 0.0003 * passes)
    speed.saw(300, 5.0)
    assert speed.seconds(3, 1000) == pytest.approx(3 * 0.015 + 0.3, rel=0.1)


# Of a batch of so many token passes, on a trial and in the engine, where any batch takes 5 ms more.
TRIED = [(passes, 0.015 + 0.00002 * passes) for passes in (8, 32, 128, 1024)]


def in_engine(passes: int) -> float:
    return 0.02 + 0.00002 * passes


@pytest.mark.parametrize("lengths", [(100,), (100, 110, 120, 130), (60, 100, 140, 180, 200)])
def test_short_requests_alone_do_not_tell_what_a_document_takes(lengths: tuple[int, ...]) -> None:
    speed, took = Speed(TRIED), 20 * in_engine(1024)
    assert speed.seconds(1, 1024) == pytest.approx(TRIED[-1][1])
    for n in range(REMEMBERED):
        passes = lengths[n % len(lengths)]
        speed.saw(passes, in_engine(passes) + 0.001 * (n % 3))
    assert took <= (speed.seconds(20, 20 * 1024) or 0.0) <= 1.1 * took
    assert speed.seconds(1, 100) == pytest.approx(in_engine(100), rel=0.1)


def test_batches_as_different_as_those_of_the_trial_count_more() -> None:
    speed = Speed(TRIED)
    for passes in (100, 110, 1000, 1020) * 5:
        speed.saw(passes, 3 * in_engine(passes))
    assert speed.seconds(20, 20 * 1024) == pytest.approx(3 * 20 * in_engine(1024))


def test_documents_alone_are_told_as_they_were() -> None:
    """On a machine that has become slower since the trial."""
    speed = Speed(TRIED)
    for _ in range(9):
        speed.saw(1024, 3 * in_engine(1024))
    assert speed.seconds(20, 20 * 1024) == pytest.approx(3 * 20 * in_engine(1024))
