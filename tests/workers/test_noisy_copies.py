"""Noisy copies of an image: captum's noise, some copies at a time, one answer."""

import threading
import time
from collections.abc import Callable

import numpy as np
import pytest
import torch
from captum.attr import NoiseTunnel

from ligserve.internal.v1.frames_pb2 import ModelSource, RunJob, WorkerFrame
from ligserve.server.workers.engine.engine import Engine
from ligserve.server.workers.engine.pixel_path import PIXELS, PixelPathSpec
from ligserve.server.workers.explainers import PLANNERS, Plan
from ligserve.server.workers.explainers.inputs.noise import noisy_copies
from ligserve.server.workers.explainers.options import image_setting
from ligserve.server.workers.identity import WorkerIdentity
from ligserve.server.workers.jobs.assignment import Assignment
from ligserve.server.workers.jobs.job_channel import JobChannel
from ligserve.server.workers.jobs.noisy_job import NoisyJob
from ligserve.server.workers.models.loaded import ImageModel
from ligserve.server.workers.models.loading import load_model
from ligserve.server.workers.probes.probe import probed
from ligserve.server.workers.quadrature import CombinedCopies, PathEstimate
from ligserve.v1 import explanation_pb2 as pb
from ligserve.v1 import explanation_service_pb2 as service_pb
from tests.conftest import ZooModel
from tests.zoo.images import IMAGES, encoded

Kind = pb.NoiseTunnel
STEPS = 3


@pytest.fixture(scope="module")
def model(image_model: ZooModel) -> ImageModel:
    loaded = probed(load_model(ModelSource(name="vit", source=str(image_model("vit"))), "cpu"))
    assert isinstance(loaded, ImageModel)
    return loaded


@pytest.mark.parametrize("shape", [(3, 32, 32), (3, 30, 30), (1, 7, 5)])
@pytest.mark.parametrize("samples", [1, 10, 16, 37])
def test_the_noise_is_captums(model: ImageModel, shape: tuple[int, int, int], samples: int) -> None:
    pixels = torch.linspace(-1, 1, shape[0] * shape[1] * shape[2]).reshape(shape)
    row = {PIXELS: pixels}
    ours = [copy.row[PIXELS] for copy in noisy_copies(PixelPathSpec(model, row, row), samples, 0.7, 5)]
    torch.manual_seed(5)
    theirs = NoiseTunnel._add_noise_to_input(pixels[None], 0.7, samples)
    assert torch.equal(torch.stack(ours), theirs)


def estimate(scores: np.ndarray, number: int) -> PathEstimate:
    change = scores.sum(axis=1)
    return PathEstimate(
        scores=scores,
        score_errors=None,
        score_error_sum=np.full(2, 0.1 * number),
        error_bound=np.full(2, 0.01 * number),
        f_input=change + 0.5,
        f_baseline=np.full(2, 0.5),
        points=np.full(2, 9),
        round=1,
    )


def test_copies_are_folded_as_numpy_would() -> None:
    every = np.random.default_rng(0).normal(1000, 1, (50, 2, 30))
    expected = {
        Kind.KIND_SMOOTHGRAD: every.mean(axis=0),
        Kind.KIND_SMOOTHGRAD_SQ: np.square(every).mean(axis=0),
        Kind.KIND_VARGRAD: every.var(axis=0),
    }
    for kind, scores in expected.items():
        combined = CombinedCopies(kind)
        assert combined.estimate() is None
        for number, each in enumerate(every):
            reason = service_pb.STOP_REASON_MAX_POINTS if number == 7 else service_pb.STOP_REASON_TOLERANCE
            combined.add(estimate(each, number), [service_pb.STOP_REASON_TOLERANCE, reason])
        found = combined.estimate()
        assert found is not None
        assert found.scores == pytest.approx(scores, rel=1e-12)
        assert (list(found.points), found.round) == ([450, 450], 50)
        assert combined.stop_reasons() == [
            service_pb.STOP_REASON_TOLERANCE,
            service_pb.STOP_REASON_MAX_POINTS,
        ]
        adds_up = kind == Kind.KIND_SMOOTHGRAD
        assert np.isnan(found.error_bound).all() != adds_up
        assert np.isnan(found.convergence_delta).all() != adds_up
        if adds_up:
            assert found.error_bound == pytest.approx(0.01 * 24.5)
            assert found.convergence_delta == pytest.approx(0, abs=1e-9)


class Front:
    """What a worker's frames come to."""

    def __init__(self, on_event: Callable[[str], None] = lambda kind: None) -> None:
        self.events: list[service_pb.StreamExplainResponse] = []
        self.failed = False
        self._on_event = on_event
        self._ended = threading.Event()

    def send(self, frame: WorkerFrame) -> None:
        if frame.HasField("ended"):
            self.failed = frame.ended.HasField("failure")
            self._ended.set()
        else:
            self.events.append(frame.event.event)
            self._on_event(frame.event.event.WhichOneof("event") or "")

    def wait(self) -> "Front":
        assert self._ended.wait(120), "the job did not end"
        return self

    @property
    def summary(self) -> service_pb.Summary:
        return next(event.summary for event in self.events if event.HasField("summary"))


def planned(model: ImageModel, samples: int, **options: object) -> Plan:
    question = pb.ImageClassification(image=encoded(IMAGES["shapes"]))
    question.noise_tunnel.samples = samples
    request = service_pb.ExplainRequest(image_classification=question, options=pb.ExplainOptions(**options))  # type: ignore[arg-type]
    return PLANNERS["image_classification"](request, model)


def job_of(plan: Plan, front: Front, seconds_left: float | None = None) -> NoisyJob:
    order = RunJob(job_id=1, partial_estimates=True, seconds_left=seconds_left)
    identity, channel = WorkerIdentity("worker-0", "cpu"), JobChannel(order, front.send, lambda job_id: None)
    return NoisyJob(Assignment(order, plan, identity, channel, time.monotonic()))


FIXED = {"fixed_steps": pb.FixedSteps(n_steps=STEPS)}


def test_some_copies_at_a_time(model: ImageModel, engine: Engine) -> None:
    under_way: list[int] = []
    front = Front(on_event=lambda kind: under_way.append(len(job._open)))
    job = job_of(planned(model, 40, **FIXED), front)
    job.start(engine)
    assert front.wait().summary.targets[0].points == 40 * STEPS == front.summary.cost.points
    forward_only = 40 + 2
    assert front.summary.cost.rows == 40 * STEPS + forward_only, "each copy's end, the image, the baseline"
    assert 1 < max(under_way) <= image_setting.COPIES_AT_ONCE
    planned_points = [event.progress.points_planned for event in front.events if event.HasField("progress")]
    assert set(planned_points) <= {40 * STEPS}


def test_cancelling_stops_all_copies_and_starts_no_more(model: ImageModel, engine: Engine) -> None:
    def on_event(kind: str) -> None:
        if kind == "estimate":
            job.cancel()

    front = Front(on_event)
    job = job_of(planned(model, 1000, **FIXED), front)
    job.start(engine)
    front.wait()
    engine.close()
    assert [event.WhichOneof("event") for event in front.events if not event.HasField("progress")] == [
        "header",
        "estimate",
    ]
    assert all(part.path.cancelled for part in job._open)
    assert len(job._open) <= image_setting.COPIES_AT_ONCE


@pytest.mark.parametrize("options", [FIXED, {"tolerance": pb.Tolerance(relative=1e-3)}])
def test_the_deadline_makes_an_answer_of_the_copies_that_are_done(
    model: ImageModel, engine: Engine, options: dict[str, object]
) -> None:
    front = Front()
    job = job_of(planned(model, 1000, **options), front, seconds_left=1.5)
    job.start(engine)
    target = front.wait().summary.targets[0]
    last = front.events[-2].estimate
    assert last.final
    assert 0 < last.round < 1000
    assert target.stop_reason == service_pb.STOP_REASON_DEADLINE
    assert abs(target.score_sum - (target.f_input - target.f_baseline)) <= target.error_bound


def test_a_copy_that_fails_ends_the_job(model: ImageModel, engine: Engine) -> None:
    plan = planned(model, 20, **FIXED)
    copies = plan.copies
    assert copies is not None
    good = list(copies.specs)
    good[9].row[PIXELS].fill_(float("nan"))
    object.__setattr__(copies, "specs", good)
    front = Front()
    job = job_of(plan, front)
    job.start(engine)
    assert front.wait().failed


def test_points_are_capped_where_they_would_fill_the_memory(
    model: ImageModel, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_setting, "MAX_SCORES_KEPT", 25 * 3 * 32 * 32 * image_setting.COPIES_AT_ONCE)
    front = Front()
    job = job_of(planned(model, 1, tolerance=pb.Tolerance(relative=1e-7)), front)
    job.start(engine)
    target = front.wait().summary.targets[0]
    assert target.points <= 25
    assert target.stop_reason == service_pb.STOP_REASON_MAX_POINTS
