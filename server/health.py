"""grpc.health.v1: SERVING while at least one worker is ready and the server does not drain."""

import asyncio
from types import TracebackType

from grpc_health.v1 import health_pb2
from grpc_health.v1._async import HealthServicer

from ligserve.server.pool.pool import WorkerPool
from ligserve.v1 import explanation_service_pb2, model_service_pb2

_SERVICES = (
    "",
    explanation_service_pb2.DESCRIPTOR.services_by_name["ExplanationService"].full_name,
    model_service_pb2.DESCRIPTOR.services_by_name["ModelService"].full_name,
)


class Health:
    """An async context that follows the pool with the servicer's statuses."""

    def __init__(self, pool: WorkerPool) -> None:
        """Listen to the pool."""
        self.servicer = HealthServicer()
        self._pool = pool
        self._changed = asyncio.Event()
        pool.on_change(self._changed.set)

    async def __aenter__(self) -> "Health":
        # The servicer starts as SERVING.
        await self._tell()
        self._following = asyncio.create_task(self._follow(), name="health")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._following.cancel()
        await asyncio.gather(self._following, return_exceptions=True)

    async def drain(self) -> None:
        """NOT_SERVING from now on, whatever the pool does."""
        await self.servicer.enter_graceful_shutdown()

    async def _follow(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self._tell()

    async def _tell(self) -> None:
        kinds = health_pb2.HealthCheckResponse
        status = kinds.SERVING if self._pool.ready() else kinds.NOT_SERVING
        for service in _SERVICES:
            await self.servicer.set(service, status)
