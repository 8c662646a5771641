"""The queue in front of the workers, and who gets which job."""

import asyncio
import time
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import aclosing, contextmanager

from ligserve.internal.v1 import frames_pb2
from ligserve.server.errors import NotFoundError, ResourceExhaustedError, ServeError, UnavailableError
from ligserve.server.pool.affinity import affinity
from ligserve.server.pool.handle import WorkerHandle, WorkerLostError
from ligserve.server.pool.job import Job
from ligserve.server.pool.pace import Pace
from ligserve.server.pool.pool import WorkerPool

QUEUE_FULL_RETRY_S = 1.0


class Dispatcher:
    """Holds jobs until a worker that has the model takes them, first come, first served."""

    def __init__(
        self, pool: WorkerPool, *, models: Collection[str], max_queue: int, jobs_per_worker: int
    ) -> None:
        """Listen to the pool.

        Args:
            pool: the workers.
            models: names of the models that requests may ask for.
            max_queue: most jobs that wait.
            jobs_per_worker: most jobs that one worker runs at a time.
        """
        self._pool = pool
        self._models = frozenset(models)
        self._max_queue = max_queue
        self._jobs_per_worker = jobs_per_worker
        self._queue: dict[Job, None] = {}
        self._running: dict[Job, asyncio.Task[None]] = {}
        # Jobs of a worker that compute, and jobs that do not: each kind has places of its own.
        self._load: Counter[tuple[WorkerHandle, bool]] = Counter()
        self._pace = Pace()
        self._places: dict[Job, WorkerHandle] = {}
        pool.on_change(self._pool_changed)

    @contextmanager
    def running(self, job: Job) -> Iterator[None]:
        """Have a job run, and stop it at the end of the block if it has not ended by then.

        Raises:
            NotFoundError: there is no such model.
            ResourceExhaustedError: the queue is full.
            UnavailableError: every worker dies again and again.
        """
        self._submit(job)
        try:
            yield
        finally:
            self._withdraw(job)

    def position(self, job: Job) -> int:
        """A job's place in the queue, 1 for the next; 0 once a worker has it."""
        for place, queued in enumerate(self._queue, start=1):
            if queued is job:
                return place
        return 0

    @property
    def queued(self) -> int:
        """How many jobs wait."""
        return len(self._queue)

    def expected_queue_s(self, model: str, compute_s: float | None) -> float | None:
        """Seconds that a request would wait: for a place, and for the turns of others; None: not known.

        Others are taken to go on for as long as the request does, which takes `compute_s` by itself.
        """
        holders = [worker for worker in self._pool.ready() if _holds(worker, model)]
        loads = [self._load[worker, True] for worker in holders]
        places = len(holders) * self._jobs_per_worker
        beside, wait_s = min(loads, default=0), 0.0 if sum(loads) < places else self._wait_s(model, places)
        if wait_s is None or (beside and compute_s is None):
            return None
        return wait_s + min(beside, self._jobs_per_worker - 1) * (compute_s or 0.0)

    def _wait_s(self, model: str, places: int) -> float | None:
        ahead = sum(job.computes and job.request.model == model for job in self._queue)
        return self._pace.wait_s(ahead, places)

    def fail_all(self, error: ServeError) -> None:
        """End every job, queued or running, with an error."""
        for job in [*self._queue, *self._running]:
            job.fail(error)

    def _submit(self, job: Job) -> None:
        name = job.request.model
        if name not in self._models:
            there_are = ", ".join(sorted(self._models))
            raise NotFoundError(
                f"there is no model {name!r}; there are {there_are}", resource_type="model", name=name
            )
        if self._pool.crash_looping:
            raise self._no_workers()
        self._queue[job] = None
        self._place_jobs()
        if len(self._queue) > self._max_queue:
            del self._queue[job]
            raise ResourceExhaustedError(
                f"{self._max_queue} requests wait already",
                reason="QUEUE_FULL",
                retry_after_s=QUEUE_FULL_RETRY_S,
            )

    def _withdraw(self, job: Job) -> None:
        self._queue.pop(job, None)
        task = self._running.get(job)
        # A worker that has said its last word is about to say that the job ended: nothing to stop.
        if task is not None and not job.succeeded:
            task.cancel()

    def _pool_changed(self) -> None:
        if self._pool.crash_looping:
            for job in self._queue:
                job.fail(self._no_workers())
        self._place_jobs()

    def _no_workers(self) -> UnavailableError:
        return UnavailableError(
            "no worker stays alive", reason="NO_WORKERS", retry_after_s=self._pool.retry_after_s
        )

    def _place_jobs(self) -> None:
        for job in list(self._queue):
            worker = self._least_loaded(job)
            if worker is not None:
                self._start(job, worker)

    def _least_loaded(self, job: Job) -> WorkerHandle | None:
        """Of equally loaded workers the one that this input goes to: it may know points of it."""
        free = [
            worker
            for worker in self._pool.ready()
            if self._load[worker, job.computes] < self._jobs_per_worker and _holds(worker, job.request.model)
        ]
        return min(
            free,
            key=lambda worker: (self._load[worker, job.computes], affinity(job.request, worker.id)),
            default=None,
        )

    def _start(self, job: Job, worker: WorkerHandle) -> None:
        self._queue.pop(job)
        self._load[worker, job.computes] += 1
        self._places[job] = worker
        task = asyncio.create_task(self._run(job, worker), name=f"job {job.request_id}")
        self._running[job] = task
        task.add_done_callback(lambda _: self._finished(job))

    def _finished(self, job: Job) -> None:
        del self._running[job]
        self._leave_place(job)

    def _leave_place(self, job: Job) -> None:
        """A job's place is free once its worker has nothing more to do for it: at its summary, or its end."""
        worker = self._places.pop(job, None)
        if worker is None:
            return
        place = worker, job.computes
        self._load[place] -= 1
        if not self._load[place]:
            del self._load[place]
        self._place_jobs()

    def _pass_on(self, job: Job, said: frames_pb2.JobEvent, queue_time_s: float) -> None:
        job.take(said, queue_time_s)
        if job.succeeded:
            self._leave_place(job)
        if said.event.HasField("summary"):
            self._pace.saw(said.event.summary.cost)

    async def _run(self, job: Job, worker: WorkerHandle) -> None:
        """Carry a job's events from worker to buffer, until the worker has let go of the job."""
        queue_time_s = time.monotonic() - job.submitted_at
        try:
            async with aclosing(worker.run(job.order())) as sayings:
                async for said in sayings:
                    self._pass_on(job, said, queue_time_s)
            job.fail(RuntimeError(f"{worker.id} ended a job without a last word"))
        except WorkerLostError:
            retry_after_s = self._pool.retry_after_s
            job.fail(
                UnavailableError(
                    f"{worker.id} died while it worked on this request",
                    reason="WORKER_DIED",
                    retry_after_s=retry_after_s,
                )
            )
        except Exception as error:
            job.fail(error)


def _holds(worker: WorkerHandle, model: str) -> bool:
    return any(each.name == model for each in worker.models)
