"""The gRPC server: its options, interceptors and services."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Coroutine

import grpc.aio
from grpc_health.v1 import health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from ligserve.server.config import ServerConfig
from ligserve.server.errors import UnavailableError
from ligserve.server.explanation_servicer import ExplanationService
from ligserve.server.health import Health
from ligserve.server.interceptors import AccessLog, Admission, ErrorTranslation, RequestId, Validation
from ligserve.server.model_servicer import ModelService
from ligserve.server.pool.dispatcher import Dispatcher
from ligserve.server.pool.pool import WorkerPool
from ligserve.v1 import explanation_service_pb2, model_service_pb2
from ligserve.v1.explanation_service_pb2_grpc import add_ExplanationServiceServicer_to_server
from ligserve.v1.model_service_pb2_grpc import add_ModelServiceServicer_to_server

MAX_CONCURRENT_STREAMS = 256
KEEPALIVE_MS = 60_000
KEEPALIVE_TIMEOUT_MS = 10_000
MAX_CONNECTION_AGE_MS = 20 * 60_000
# For statuses that are on their way; a stream that watches health holds a stop up for all of it.
STOP_GRACE_S = 0.2
# For calls that were ended by force to send their statuses.
CUT_GRACE_S = 1.0


class BindError(Exception):
    """The address cannot be listened on; the message is one line for the operator."""


class GrpcFront:
    """A server that listens, and how it is drained."""

    def __init__(
        self, server: grpc.aio.Server, address: str, admission: Admission, health: Health, jobs: Dispatcher
    ) -> None:
        self.address = address
        self._server = server
        self._admission = admission
        self._health = health
        self._jobs = jobs

    async def drain(self, grace_s: float, *, force: asyncio.Event) -> None:
        """Refuse new calls, let those in flight finish, and end the rest.

        Args:
            grace_s: longest time for calls in flight, in seconds.
            force: once set, ends the wait.
        """
        self._admission.close()
        await self._health.drain()
        await _first_of(self._admission.wait_idle(), force.wait(), within_s=grace_s)
        self._jobs.fail_all(
            UnavailableError("the server is shutting down", reason="DRAINING", retry_after_s=1.0)
        )
        await _first_of(self._admission.wait_idle(), within_s=CUT_GRACE_S)
        await self._server.stop(STOP_GRACE_S)


@contextlib.asynccontextmanager
async def grpc_front(config: ServerConfig, pool: WorkerPool) -> AsyncIterator[GrpcFront]:
    """A server that listens as long as the block runs.

    Raises:
        BindError: the address is taken, or is none of this machine.
    """
    admission = Admission()
    dispatcher = Dispatcher(
        pool,
        models=[model.name for model in config.models],
        max_queue=config.max_queue,
        jobs_per_worker=config.jobs_per_worker,
    )
    async with Health(pool) as health:
        server = _build(config, pool, dispatcher, admission, health)
        address = _bind(server, config.listen)
        await server.start()
        try:
            yield GrpcFront(server, address, admission, health, dispatcher)
        finally:
            await server.stop(None)


def _build(
    config: ServerConfig, pool: WorkerPool, dispatcher: Dispatcher, admission: Admission, health: Health
) -> grpc.aio.Server:
    # From the outside in. The log is outside the translation of errors: it tells the code that was sent.
    interceptors = [
        RequestId(),
        AccessLog(),
        ErrorTranslation(),
        admission,
        Validation(max_text_chars=config.max_text_chars),
    ]
    server = grpc.aio.server(interceptors=interceptors, options=_options(config))
    service = ExplanationService(
        dispatcher, max_deadline_s=config.max_deadline_s, write_stall_s=config.write_stall_s
    )
    add_ExplanationServiceServicer_to_server(service, server)
    add_ModelServiceServicer_to_server(ModelService(pool), server)
    health_pb2_grpc.add_HealthServicer_to_server(health.servicer, server)
    if config.reflection:
        _add_reflection(server)
    return server


def _add_reflection(server: grpc.aio.Server) -> None:
    services = [
        *(service.full_name for service in explanation_service_pb2.DESCRIPTOR.services_by_name.values()),
        *(service.full_name for service in model_service_pb2.DESCRIPTOR.services_by_name.values()),
        "grpc.health.v1.Health",
        reflection.SERVICE_NAME,
    ]
    reflection.enable_server_reflection(services, server)


def _options(config: ServerConfig) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", config.max_request_bytes),
        ("grpc.max_concurrent_streams", MAX_CONCURRENT_STREAMS),
        ("grpc.keepalive_time_ms", KEEPALIVE_MS),
        ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
        # Without it a connection that swallows bytes stays open for a minute more.
        ("grpc.http2.ping_timeout_ms", KEEPALIVE_TIMEOUT_MS),
        ("grpc.http2.min_ping_interval_without_data_ms", KEEPALIVE_TIMEOUT_MS),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.max_connection_age_ms", MAX_CONNECTION_AGE_MS),
        ("grpc.max_connection_age_grace_ms", round(1000 * config.max_deadline_s) + KEEPALIVE_TIMEOUT_MS),
        # On by default, and then a second server would take the same port silently.
        ("grpc.so_reuseport", 0),
    ]


def _bind(server: grpc.aio.Server, listen: str) -> str:
    """Listen, and tell the address with the port that was taken."""
    host, _, port = listen.rpartition(":")
    _check_bindable(host.strip("[]"), int(port), listen)
    try:
        return f"{host}:{server.add_insecure_port(listen)}"
    except RuntimeError as error:
        raise BindError(f"cannot listen on {listen}") from error


def _check_bindable(host: str, port: int, listen: str) -> None:
    """Try the address with a plain socket first, whose errors say what is wrong."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise BindError(f"cannot listen on {listen}: {error.strerror}") from error


async def _first_of(*waits: Coroutine[None, None, object], within_s: float) -> None:
    """Wait until one of the waits is over, or for so long."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    await asyncio.wait(tasks, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
