"""The worker process: frames in, jobs to the engine, frames out."""

import dataclasses
import os
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import torch
from transformers.utils import logging as transformers_logging

from ligserve.internal.v1.frames_pb2 import JobEvent, RunJob, StartWorker, WorkerFrame, WorkerReady
from ligserve.server.errors import FailedPreconditionError, NotFoundError, UnimplementedError, to_failure
from ligserve.server.logs import configure_logs, logger
from ligserve.server.workers.collector import leave_all_there_is
from ligserve.server.workers.costs.accounts import Accounts
from ligserve.server.workers.description import describe
from ligserve.server.workers.engine.engine import Engine
from ligserve.server.workers.explainers import STEPWISE_PLANNERS, Plan, Planning
from ligserve.server.workers.failures import as_serve_error
from ligserve.server.workers.identity import WorkerIdentity
from ligserve.server.workers.jobs.assignment import Assignment
from ligserve.server.workers.jobs.document_job import DocumentJob
from ligserve.server.workers.jobs.job import Job
from ligserve.server.workers.jobs.job_channel import JobChannel, ended
from ligserve.server.workers.jobs.noisy_job import NoisyJob
from ligserve.server.workers.models.loaded import LoadedModel, Refusals
from ligserve.server.workers.models.loading import ModelLoadError, load_model
from ligserve.server.workers.models.precision import precision_name
from ligserve.server.workers.pipe import Pipe
from ligserve.server.workers.probes.budget_probe import MOST, with_trial
from ligserve.server.workers.probes.memory_probe import learnt_row_memory
from ligserve.server.workers.probes.precision_probe import with_precisions
from ligserve.server.workers.probes.probe import probed
from ligserve.v1 import explanation_pb2
from ligserve.v1.explanation_service_pb2 import EstimateCostResponse, ExplainRequest

_log = logger("ligserve.worker")

# Exit code of a worker whose engine has ended by an error.
ENGINE_BROKEN = 3

AnyJob = Job | DocumentJob | NoisyJob


def serve_front(descriptor: int) -> int:
    """Work for the front at the other end of a socket until it closes it; the exit code."""
    _leave_signals_to_the_front()
    pipe = Pipe(socket.socket(fileno=descriptor))
    frames = pipe.frames()
    first = next(frames, None)
    if first is None:
        return 0
    start = first.start
    configure_logs(json_logs=start.json_logs, level=start.log_level or "info")
    try:
        models = _load_models(start)
    except ModelLoadError as error:
        failure = FailedPreconditionError(str(error), reason="MODEL_LOAD_FAILED")
        pipe.send(WorkerFrame(failed=to_failure(failure)))
        pipe.flush()
        return 1
    leave_all_there_is()
    worker = Worker(start, models, pipe)
    pipe.send(WorkerFrame(ready=WorkerReady(device=start.device, models=map(describe, models.values()))))
    for frame in frames:
        if frame.WhichOneof("frame") == "run":
            worker.run(frame.run)
        elif frame.WhichOneof("frame") == "cancel":
            worker.cancel(frame.cancel.job_id)
    worker.tell_tally()
    # The front is gone: what the engine still does is for nobody.
    os._exit(0)


def _leave_signals_to_the_front() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _load_models(start: StartWorker) -> dict[str, LoadedModel]:
    torch.set_num_threads(max(1, start.threads))
    # Else GPUs would round convolutions to TF32, unasked.
    torch.backends.cudnn.allow_tf32 = False
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    models = {}
    for source in start.models:
        model = with_precisions(probed(load_model(source, start.device)))
        model = dataclasses.replace(model, row_memory=learnt_row_memory(model))
        model = with_trial(model, start.token_budget or MOST)
        models[source.name] = model
        _log.info(
            "model_loaded",
            worker=start.worker_id,
            model=model.name,
            revision=model.revision,
            pads_safely=model.pads_safely,
            first_token_only=model.first_token_only,
            same_in_batches=model.same_in_batches,
            precisions=list(map(precision_name, model.precisions)),
            token_budget=start.token_budget or model.token_budget,
            row_memory=model.row_memory.told(),
            refusals=_named(model.refusals) or None,
        )
    return models


def _named(refusals: Refusals) -> dict[str, str]:
    return {
        f"{explainer}, {explanation_pb2.Convention.Name(convention).removeprefix('CONVENTION_')}": why
        for (explainer, convention), why in refusals.items()
    }


def _kind_of_job(plan: Plan) -> type[Job] | type[DocumentJob] | type[NoisyJob]:
    if plan.copies is not None:
        return NoisyJob
    return Job if plan.document is None else DocumentJob


def _step(planning: Planning) -> Plan | None:
    """Go on with a plan up to where others get their turn; the plan, once it is done."""
    try:
        next(planning)
    except StopIteration as done:
        plan: Plan = done.value
        return plan
    return None


def _end_broken(error: BaseException) -> None:
    """End the process: the engine's state is no longer to be relied on. The front puts another in its place.

    Those who wait hear of it at once, where they would else wait for a thread that is no more.
    """
    try:
        _log.error("engine_broken", exc_info=error)
    finally:
        os._exit(ENGINE_BROKEN)


class Worker:
    """The jobs of one process: starts them, finds them again to cancel them.

    Requests are planned in a thread of their own, one after the other: reading a long text takes seconds,
    and a tokenizer serves one thread at a time. Those of a long text are read piece by piece, and others in
    between. Cancels do not wait behind them.
    """

    def __init__(self, start: StartWorker, models: dict[str, LoadedModel], pipe: Pipe) -> None:
        self._identity = WorkerIdentity(start.worker_id, start.device)
        self._models = models
        self._pipe = pipe
        self._engine = Engine(start.token_budget, start.kept_bytes, _end_broken)
        self._accounts = Accounts({each.name: each.max_token_passes for each in start.models}, self._engine)
        self._planner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="planner")
        self._lock = threading.Lock()
        self._planning: set[int] = set()
        self._jobs: dict[int, AnyJob] = {}

    def run(self, run: RunJob) -> None:
        """Start a job."""
        received = time.monotonic()
        with self._lock:
            self._planning.add(run.job_id)
        self._planner.submit(self._start, run, received)

    def tell_tally(self) -> None:
        """Log what the engine has computed."""
        _log.debug("worker_ends", worker=self._identity.worker_id, **self._engine.tally.counts())

    def cancel(self, job_id: int) -> None:
        """Stop a job, if it still runs."""
        with self._lock:
            job = self._jobs.get(job_id)
        if job is not None:
            job.cancel()
        elif self._done_planning(job_id):
            self._pipe.send(ended(job_id))

    def _start(self, run: RunJob, received: float) -> None:
        """Start planning a job."""
        self._plan_on(run, self._planning_of(run.request), received)

    def _plan_on(self, run: RunJob, planning: Planning, received: float) -> None:
        """Plan a job up to where others get their turn; planned to the end, it goes to the engine.

        A request that cannot be planned ends at once.
        """
        if run.job_id not in self._planning:
            return
        try:
            plan = _step(planning)
            if plan is not None:
                self._submit(run, plan, received)
        except BaseException as error:  # a tokenizer's Rust code that panics raises no Exception
            if self._done_planning(run.job_id):
                self._pipe.send(ended(run.job_id, as_serve_error(error, run.request_id)))
        else:
            if plan is None:
                self._planner.submit(self._plan_on, run, planning, received)

    def _submit(self, run: RunJob, plan: Plan, received: float) -> None:
        if run.only_forecast:
            self._tell_cost(run, self._accounts.told(plan, time.monotonic() - received))
            return
        expected = self._accounts.admit(plan)
        learn = partial(self._accounts.learn, plan, expected)
        channel = JobChannel(run, self._pipe.send, self._forget, learn)
        explaining_s = partial(self._accounts.explaining_s, plan, expected)
        assignment = Assignment(run, plan, self._identity, channel, received, explaining_s)
        job = _kind_of_job(plan)(assignment)
        if self._done_planning(run.job_id, job):
            try:
                job.start(self._engine)
            except Exception as error:
                channel.end(error)

    def _tell_cost(self, run: RunJob, cost: EstimateCostResponse) -> None:
        if self._done_planning(run.job_id):
            self._pipe.send(WorkerFrame(event=JobEvent(job_id=run.job_id, forecast=cost)))
            self._pipe.send(ended(run.job_id))

    def _done_planning(self, job_id: int, job: AnyJob | None = None) -> bool:
        """Whether the job was still wanted; if so, it is `job` from now on, or nothing."""
        with self._lock:
            wanted = job_id in self._planning
            self._planning.discard(job_id)
            if wanted and job is not None:
                self._jobs[job_id] = job
        return wanted

    def _planning_of(self, request: ExplainRequest) -> Planning:
        explainer = request.WhichOneof("explainer") or "explainer"
        if explainer not in STEPWISE_PLANNERS:
            raise UnimplementedError(explainer)
        model = self._models.get(request.model)
        if model is None:
            message = f"there is no model '{request.model}'; the models are {', '.join(self._models)}"
            raise NotFoundError(message, resource_type="model", name=request.model)
        return (yield from STEPWISE_PLANNERS[explainer](request, model))

    def _forget(self, job_id: int) -> None:
        with self._lock:
            self._jobs.pop(job_id, None)
