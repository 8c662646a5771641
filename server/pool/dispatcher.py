"""The queue in front of the workers, and who gets which job."""

import asyncio
import time
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import aclosing, contextmanager

from ligserve.server.errors import NotFoundError, ResourceExhaustedError, ServeError, UnavailableError
from ligserve.server.pool.affinity import affinity
from ligserve.server.pool.events import Event
from ligserve.server.pool.handle import WorkerHandle, WorkerLostError
from ligserve.server.pool.job import Job
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
        self._load: Counter[WorkerHandle] = Counter()
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

    def fail_all(self, error: ServeError) -> None:
        """End every job, queued or running, with an error."""
        for job in [*self._queue, *self._running]:
            job.events.fail(error)

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
        # A worker that has sent the summary is about to say that the job ended: nothing to stop.
        if task is not None and not job.events.succeeded:
            task.cancel()

    def _pool_changed(self) -> None:
        if self._pool.crash_looping:
            for job in self._queue:
                job.events.fail(self._no_workers())
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
        model = job.request.model
        free = [
            worker
            for worker in self._pool.ready()
            if self._load[worker] < self._jobs_per_worker and any(m.name == model for m in worker.models)
        ]
        return min(
            free, key=lambda worker: (self._load[worker], affinity(job.request, worker.id)), default=None
        )

    def _start(self, job: Job, worker: WorkerHandle) -> None:
        self._queue.pop(job)
        self._load[worker] += 1
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
        self._load[worker] -= 1
        if not self._load[worker]:
            del self._load[worker]
        self._place_jobs()

    def _pass_on(self, job: Job, event: Event, queue_time_s: float) -> None:
        if event.HasField("summary"):
            event.summary.cost.queue_time.FromNanoseconds(round(queue_time_s * 1e9))
            self._leave_place(job)
        job.events.put(event)

    async def _run(self, job: Job, worker: WorkerHandle) -> None:
        """Carry a job's events from worker to buffer, until the worker has let go of the job."""
        queue_time_s = time.monotonic() - job.submitted_at
        try:
            async with aclosing(worker.run(job.order())) as events:
                async for event in events:
                    self._pass_on(job, event, queue_time_s)
            job.events.fail(RuntimeError(f"{worker.id} ended a job without a summary"))
        except WorkerLostError:
            retry_after_s = self._pool.retry_after_s
            job.events.fail(
                UnavailableError(
                    f"{worker.id} died while it worked on this request",
                    reason="WORKER_DIED",
                    retry_after_s=retry_after_s,
                )
            )
        except Exception as error:
            job.events.fail(error)
