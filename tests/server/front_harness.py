"""A front over scripted workers: in this process, or as a process of its own."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Sequence
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from grpc_health.v1 import health_pb2_grpc

from ligserve.server.config import ModelSpec, ServerConfig
from ligserve.server.grpc_server import GrpcFront, grpc_front
from ligserve.server.pool.backoff import BackoffPolicy
from ligserve.server.pool.local import LocalBackend
from ligserve.server.pool.pool import WorkerPool
from ligserve.v1 import explanation_service_pb2 as pb
from ligserve.v1.explanation_service_pb2_grpc import ExplanationServiceStub
from ligserve.v1.model_service_pb2_grpc import ModelServiceStub

HERE = Path(__file__).parent
SCRIPTED = (sys.executable, str(HERE / "scripted_worker.py"))
SERVE_SCRIPTED = HERE / "serve_scripted.py"
QUICK = BackoffPolicy(first_s=0.05, longest_s=0.4)


def ask(text: str = "hello", **fields: Any) -> pb.ExplainRequest:
    return pb.ExplainRequest(**{"model": "m", "sequence_classification": {"text": text}, **fields})


def ask_stream(text: str = "hello") -> pb.StreamExplainRequest:
    return pb.StreamExplainRequest(request=ask(text))


def noted(header: pb.Header, code: str) -> str:
    """What the scripted worker wrote into the header."""
    return next(warning.message for warning in header.warnings if warning.code == code)


def health_stub(channel: grpc.aio.Channel) -> Any:
    """The health service; its typeshed stub names no methods."""
    return health_pb2_grpc.HealthStub(channel)


def raw_call(channel: grpc.aio.Channel, method: str, *, stream: bool = False) -> Any:
    """A method that takes and gives bytes."""
    return channel.unary_stream(method) if stream else channel.unary_unary(method)


class Front:
    """A running front and a channel to it."""

    def __init__(self, front: GrpcFront, pool: WorkerPool, channel: grpc.aio.Channel) -> None:
        self.front = front
        self.pool = pool
        self.channel = channel
        self.explanations: Any = ExplanationServiceStub(channel)
        self.models: Any = ModelServiceStub(channel)

    async def explain(self, text: str = "hello", timeout: float = 20) -> pb.ExplainResponse:
        response: pb.ExplainResponse = await self.explanations.Explain(ask(text), timeout=timeout)
        return response

    async def estimate(
        self, text: str = "hello", timeout: float = 20, **fields: Any
    ) -> pb.EstimateCostResponse:
        request = pb.EstimateCostRequest(request=ask(text, **fields))
        response: pb.EstimateCostResponse = await self.explanations.EstimateCost(request, timeout=timeout)
        return response

    def stream(self, text: str = "hello", timeout: float = 20, **options: Any) -> Any:
        return self.explanations.StreamExplain(ask_stream(text), timeout=timeout, **options)

    async def hanging(self, text: str = "hang") -> tuple[Any, pb.Header]:
        """A stream whose worker hangs after the header."""
        stream = self.stream(text)
        return stream, await next_header(stream)

    async def pool_size(self, count: int) -> None:
        """Wait until so many workers are ready."""
        changed = asyncio.Event()
        self.pool.on_change(changed.set)
        while len(self.pool.ready()) != count:
            changed.clear()
            await changed.wait()


async def next_header(stream: Any) -> pb.Header:
    while True:
        event: pb.StreamExplainResponse = await stream.read()
        if event.HasField("header"):
            return event.header


@contextlib.asynccontextmanager
async def running_front(
    source: str = "scripted", *, loaded: bool = True, command: Sequence[str] = SCRIPTED, **settings: Any
) -> AsyncIterator[Front]:
    models = (ModelSpec(name="m", source=source),)
    defaults: dict[str, Any] = {"models": models, "listen": "127.0.0.1:0", "devices": ("cpu",)}
    config = ServerConfig(**{**defaults, **settings})
    backend = LocalBackend(config, command=command)
    pool = WorkerPool(backend, config.device_of_each_worker, backoff=QUICK)
    async with pool, grpc_front(config, pool) as front:
        if loaded:
            await pool.wait_started()
        async with grpc.aio.insecure_channel(front.address) as channel:
            yield Front(front, pool, channel)


async def rest_of(stream: Any) -> list[pb.StreamExplainResponse]:
    """What is left of a stream of which events have been read."""
    events = []
    while (event := await stream.read()) is not grpc.aio.EOF:
        events.append(event)
    return events


async def failure(call: Awaitable[Any]) -> grpc.aio.AioRpcError:
    """The error that a call ends with."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    return raised.value


class ServerProcess:
    """serve() in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def line(self) -> str:
        assert self.process.stdout is not None
        return (await self.process.stdout.readline()).decode().strip()

    async def ready(self) -> str:
        """The address, from the line that says that the server can answer."""
        line = await self.line()
        assert line.startswith("ligserve ready on "), line
        return line.removeprefix("ligserve ready on ")

    async def end(self) -> tuple[int, str, str]:
        """Exit code, rest of standard output, standard error."""
        out, err = await self.process.communicate()
        return self.process.returncode or 0, out.decode(), err.decode()


@contextlib.asynccontextmanager
async def server_process(**flags: Any) -> AsyncIterator[ServerProcess]:
    given = {"models": ["m=scripted"], "listen": "127.0.0.1:0", "devices": "cpu", **flags}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(SERVE_SCRIPTED),
        json.dumps(given),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield ServerProcess(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
