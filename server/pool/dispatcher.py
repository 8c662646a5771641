"""The queue in front of the workers, and who gets which job."""

import asyncio
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from itertools import takewhile

from ligserve.internal.v1 import frames_pb2
from ligserve.server.errors import NotFoundError, ResourceExhaustedError, ServeError, UnavailableError
from ligserve.server.pool.affinity import affinity
from ligserve.server.pool.handle import WorkerHandle, WorkerLostError
from ligserve.server.pool.job import Job
from ligserve.server.pool.pace import Pace
from ligserve.server.pool.places import Places
from ligserve.server.pool.pool import WorkerPool

QUEUE_FULL_RETRY_S = 1.0


class Dispatcher:
    """Holds jobs until a worker that has the model takes them, first come, first served.

    But others go past long jobs that wait for one of the places that long ones may have.
    """

    def __init__(
        self, pool: WorkerPool, *, models: Collection[str], max_queue: int, jobs_per_worker: int
    ) -> None:
        """Listen to the pool.

        Args:
            pool: the workers.
            models: names of the models that requests may ask for.
            max_queue: most jobs that wait.
            jobs_per_worker: most jobs that one worker runs at a time, long ones a share of them.
        """
        self._pool = pool
        self._models = frozenset(models)
        self._max_queue = max_queue
        self._queue: dict[Job, None] = {}
        self._running: dict[Job, asyncio.Task[None]] = {}
        self._places = Places(jobs_per_worker)
        self._pace = Pace()
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
        if job not in self._queue:
            return 0
        before = takewhile(lambda queued: queued is not job, self._queue)
        return 1 + self._ahead(job.request.model, before, computes=job.computes, long=job.long)

    def _ahead(self, model: str, before: Iterable[Job], *, computes: bool, long: bool) -> int:
        """How many of those before a job in the queue get a place before it.

        One that is not long goes past the long ones, but for as many as may have a place now.
        """
        kinds = Counter(queued.long for queued in before if queued.computes == computes)
        holders = self._holders_of(model)
        if holders and not long and self._places.for_long < self._places.of_worker:
            left = sum(self._places.long_left(worker, computes=computes) for worker in holders)
            kinds[True] = min(kinds[True], left)
        return kinds.total()

    @property
    def queued(self) -> int:
        """How many jobs wait."""
        return len(self._queue)

    def expected_queue_s(self, job: Job, compute_s: float | None) -> float | None:
        """Seconds that a request whose cost is asked for would wait; None: not known.

        For a place, and for the turns of others, which are taken to go on for as long as the request does: it
        takes `compute_s` by itself.
        """
        holders = self._holders_of(job.request.model)
        beside = min((self._places.taken(worker, computes=True) for worker in holders), default=0)
        free = any(self._places.free(worker, computes=True, long=job.long) for worker in holders)
        wait_s = 0.0 if free else self._wait_s(job, holders)
        if wait_s is None or (beside and compute_s is None):
            return None
        return wait_s + min(beside, self._places.of_worker - 1) * (compute_s or 0.0)

    def _wait_s(self, job: Job, holders: Sequence[WorkerHandle]) -> float | None:
        model = job.request.model
        same_model = (queued for queued in self._queue if queued.request.model == model)
        ahead = self._ahead(model, same_model, computes=True, long=job.long)
        at_work = self._places.at_work(holders)
        if job.long and not any(self._places.long_left(worker, computes=True) for worker in holders):
            at_work[False] = 0
        return self._pace.wait_s(ahead, at_work)

    def _holders_of(self, model: str) -> list[WorkerHandle]:
        """The workers that have a model."""
        return [worker for worker in self._pool.ready() if any(each.name == model for each in worker.models)]

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
            for worker in self._holders_of(job.request.model)
            if self._places.free(worker, computes=job.computes, long=job.long)
        ]
        return min(
            free,
            key=lambda worker: (
                self._places.taken(worker, computes=job.computes),
                affinity(job.request, worker.id),
            ),
            default=None,
        )

    def _start(self, job: Job, worker: WorkerHandle) -> None:
        self._queue.pop(job)
        self._places.take(worker, job)
        task = asyncio.create_task(self._run(job, worker), name=f"job {job.request_id}")
        self._running[job] = task
        task.add_done_callback(lambda _: self._finished(job))

    def _finished(self, job: Job) -> None:
        del self._running[job]
        self._leave_place(job)

    def _leave_place(self, job: Job) -> None:
        """A job's place is free once its worker has nothing more to do for it: at its summary, or its end."""
        if self._places.leave(job):
            self._place_jobs()

    def _pass_on(self, job: Job, said: frames_pb2.JobEvent, queue_time_s: float) -> None:
        job.take(said, queue_time_s)
        if job.succeeded:
            self._leave_place(job)
        if said.event.HasField("summary"):
            self._pace.saw(said.event.summary.cost, long=job.long)

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
