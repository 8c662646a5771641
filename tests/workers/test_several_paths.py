"""A job of several paths in a worker: one header, one end, whatever happens to one of them."""

import dataclasses
import threading
import time
from collections.abc import Callable

import pytest

from ligserve.internal.v1.frames_pb2 import RunJob, WorkerFrame
from ligserve.server.workers.engine.engine import Engine
from ligserve.server.workers.engine.outputs import ClassOutput
from ligserve.server.workers.explainers import PLANNERS, Explained, Plan
from ligserve.server.workers.identity import WorkerIdentity
from ligserve.server.workers.jobs.assignment import Assignment
from ligserve.server.workers.jobs.job import Job
from ligserve.server.workers.jobs.job_channel import JobChannel
from ligserve.v1 import explanation_pb2 as pb
from ligserve.v1.explanation_service_pb2 import ExplainRequest, Target
from tests.conftest import NLI_LABELS
from tests.workers.conftest import LoadZoo

LABELS = ["movie", "soup", "phone"]


class Front:
    """What a worker's frames come to."""

    def __init__(self, on_header: Callable[[], None] = lambda: None) -> None:
        self.heard: list[str] = []
        self.last = WorkerFrame()
        self._on_header = on_header
        self._ended = threading.Event()

    def send(self, frame: WorkerFrame) -> None:
        self.last = frame
        if frame.HasField("ended"):
            self.heard.append("ended")
            self._ended.set()
            return
        self.heard.append(frame.event.event.WhichOneof("event") or "")
        if self.heard[-1] == "header":
            self._on_header()

    def wait(self) -> None:
        assert self._ended.wait(60), "the job did not end"


def plan_of(load_zoo: LoadZoo, *, multi_label: bool) -> Plan:
    request = ExplainRequest()
    request.zero_shot_classification.multi_label = multi_label
    request.zero_shot_classification.text = "The film was long, loud and not funny at all"
    request.zero_shot_classification.labels.extend(LABELS)
    request.options.fixed_steps.n_steps = 20
    return PLANNERS["zero_shot_classification"](request, load_zoo("bert", labels=NLI_LABELS))


@pytest.fixture
def plan(load_zoo: LoadZoo) -> Plan:
    return plan_of(load_zoo, multi_label=True)


@pytest.fixture
def competing(load_zoo: LoadZoo) -> Plan:
    return plan_of(load_zoo, multi_label=False)


def job_of(plan: Plan, front: Front) -> Job:
    run = RunJob(job_id=1)
    channel = JobChannel(run, front.send, lambda job_id: None)
    return Job(Assignment(run, plan, WorkerIdentity("worker-0", "cpu"), channel, time.monotonic()))


def test_one_header_a_final_for_each_path_one_summary(plan: Plan, engine: Engine) -> None:
    front = Front()
    job = job_of(plan, front)
    engine.submit(*job.paths)
    front.wait()
    told = [event for event in front.heard if event != "progress"]
    assert told == ["header", "estimate", "estimate", "estimate", "summary", "ended"]
    assert not front.last.ended.HasField("failure")
    assert [path.cost.points for path in job.paths] == [22, 22, 22], "20 nodes and both ends"


def test_paths_in_lock_step_have_every_target_in_every_window(competing: Plan, engine: Engine) -> None:
    front = Front()
    job = job_of(competing, front)
    engine.submit(*job.paths)
    front.wait()
    told = [event for event in front.heard if event != "progress"]
    assert told == ["header", *["estimate"] * 9, "summary", "ended"]
    assert [path.cost.points for path in job.paths] == [22, 22, 22]


@pytest.mark.parametrize("name", ["plan", "competing"])
def test_cancelling_a_job_cancels_every_path(
    request: pytest.FixtureRequest, name: str, engine: Engine
) -> None:
    plan: Plan = request.getfixturevalue(name)
    front = Front(on_header=lambda: job.cancel())
    job = job_of(plan, front)
    engine.submit(*job.paths)
    front.wait()
    engine.close()
    assert front.heard == ["header", "ended"]
    assert all(path.cancelled and path.cost.points == 0 for path in job.paths)


def test_a_path_in_lock_step_that_fails_ends_the_job_once(competing: Plan, engine: Engine) -> None:
    no_such_class = ClassOutput(99, None, pb.OUTPUT_SPACE_LOGIT)
    paths = [*competing.paths[:2], dataclasses.replace(competing.paths[2], outputs=(no_such_class,))]
    front = Front()
    job = job_of(dataclasses.replace(competing, paths=paths), front)
    engine.submit(*job.paths)
    front.wait()
    engine.close()
    assert front.heard.count("ended") == 1
    assert "summary" not in front.heard
    assert all(path.cancelled for path in job.paths)


def test_a_path_that_fails_ends_the_job_once(plan: Plan, engine: Engine) -> None:
    first, broken, last = plan.paths
    no_such_class = Explained(ClassOutput(99, None, pb.OUTPUT_SPACE_LOGIT), Target(), "")
    broken = dataclasses.replace(broken, explained=lambda logits: [no_such_class])
    front = Front()
    job = job_of(dataclasses.replace(plan, paths=[first, broken, last]), front)
    engine.submit(*job.paths)
    front.wait()
    engine.close()
    assert front.heard.count("ended") == 1
    assert "summary" not in front.heard
    assert front.last.ended.failure.code == 13
    assert all(path.cancelled for path in job.paths)
