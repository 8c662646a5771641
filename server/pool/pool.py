"""Keeps the number of workers: starts them, sees them die, replaces them."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from types import TracebackType

from ligserve.server import logs
from ligserve.server.pool.backoff import Backoff, BackoffPolicy
from ligserve.server.pool.handle import Backend, WorkerHandle, WorkerStartError
from ligserve.v1 import model_service_pb2 as model_pb

_log = logs.logger("ligserve.pool")


class WorkerPool:
    """An async context: entering begins to start the workers, leaving ends them all."""

    def __init__(
        self, backend: Backend, devices: Sequence[str], *, backoff: BackoffPolicy | None = None
    ) -> None:
        """Plan one worker per device listed."""
        self._backend = backend
        self._devices = tuple(devices)
        policy = backoff or BackoffPolicy()
        self._backoffs = [Backoff(policy) for _ in self._devices]
        self._ready: dict[int, WorkerHandle] = {}
        self._known_models: dict[str, model_pb.Model] = {}
        self._listeners: list[Callable[[], None]] = []
        self._keepers: list[asyncio.Task[None]] = []
        self._first_starts: list[asyncio.Future[None]] = []

    async def __aenter__(self) -> "WorkerPool":
        await self._backend.start()
        loop = asyncio.get_running_loop()
        self._first_starts = [loop.create_future() for _ in self._devices]
        self._keepers = [
            asyncio.create_task(self._keep(place), name=f"keeper of worker-{place}")
            for place in range(len(self._devices))
        ]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        for start in self._first_starts:
            if not start.cancel() and not start.cancelled():
                start.exception()  # Seen, so that asyncio does not complain about it.
        await self._backend.close()

    async def wait_started(self) -> None:
        """Wait until every worker has been ready once.

        Raises:
            WorkerStartError: one could not start; its message says why.
        """
        await asyncio.gather(*self._first_starts)

    @property
    def size(self) -> int:
        """How many workers there ought to be."""
        return len(self._devices)

    def ready(self) -> list[WorkerHandle]:
        """The workers that take jobs now."""
        return [worker for worker in self._ready.values() if worker.alive]

    def models(self) -> list[model_pb.Model]:
        """Every model that a worker has held, by name, with the workers that hold it now."""
        models = []
        for name in sorted(self._known_models):
            model = model_pb.Model()
            model.CopyFrom(self._known_models[name])
            model.workers[:] = sorted(w.id for w in self.ready() if any(m.name == name for m in w.models))
            models.append(model)
        return models

    @property
    def crash_looping(self) -> bool:
        """Whether no worker is ready and every replacement dies too."""
        return not self.ready() and all(backoff.looping for backoff in self._backoffs)

    @property
    def retry_after_s(self) -> float:
        """When a caller may find a worker again, in seconds."""
        return min(backoff.delay for backoff in self._backoffs)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call a function whenever a worker becomes ready or dies."""
        self._listeners.append(listener)

    async def _keep(self, place: int) -> None:
        """One place in the pool, for ever: a worker, and another one after it."""
        while True:
            born = time.monotonic()
            try:
                worker = await self._backend.spawn(f"worker-{place}", self._devices[place])
            except Exception as error:  # Whatever it is, the place must not be lost for ever.
                reason, lifetime = str(error) or repr(error), 0.0
                if not self._first_starts[place].done():
                    self._first_starts[place].set_exception(WorkerStartError(reason))
                    return
            else:
                reason = await self._live(place, worker)
                lifetime = time.monotonic() - born
            await self._rest(place, reason, lifetime)

    async def _live(self, place: int, worker: WorkerHandle) -> str:
        """The time from a worker's readiness to its death; tells how it died."""
        self._welcome(place, worker)
        try:
            await worker.wait_lost()
        finally:
            del self._ready[place]
            self._changed()
            ending = await _to_its_end(worker.close())
        return ending

    def _welcome(self, place: int, worker: WorkerHandle) -> None:
        self._ready[place] = worker
        self._known_models.update({model.name: model for model in worker.models})
        _log.info("worker ready", worker=worker.id, device=worker.device, ready=len(self._ready))
        if not self._first_starts[place].done():
            self._first_starts[place].set_result(None)
        self._changed()

    async def _rest(self, place: int, reason: str, lifetime_s: float) -> None:
        backoff = self._backoffs[place]
        delay = backoff.next_delay(lifetime_s)
        say = _log.error if backoff.looping else _log.warning
        event = "worker is in a crash loop" if backoff.looping else "worker lost"
        say(event, worker=f"worker-{place}", reason=reason, lives=backoff.short_lives, retry_in_s=delay)
        self._changed()
        await asyncio.sleep(delay)

    def _changed(self) -> None:
        for listener in self._listeners:
            listener()


async def _to_its_end(work: Coroutine[None, None, str]) -> str:
    """Do something to its end, even if cancelled meanwhile: no process must be left behind."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise
