"""What the errors interceptor makes of handlers that misbehave, behind a real server."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import grpc.aio
import pytest

from ligserve.server.interceptors import AccessLog, ErrorTranslation, RequestId
from ligserve.server.interceptors.status import grpc_code
from tests.server.front_harness import failure, raw_call, rest_of

Handler = Callable[[bytes, Any], Awaitable[Any]]


@contextlib.asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[grpc.aio.Channel]:
    """A server whose methods /t.T/Unary and /t.T/Stream run a handler."""
    methods: dict[str, Any] = {
        "Unary": grpc.unary_unary_rpc_method_handler(handler),
        "Stream": grpc.unary_stream_rpc_method_handler(handler),
    }
    server = grpc.aio.server(interceptors=[RequestId(), AccessLog(), ErrorTranslation()])
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("t.T", methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield channel
    finally:
        await server.stop(None)


async def both_failures(handler: Handler) -> list[grpc.aio.AioRpcError]:
    async with serving(handler) as channel:
        unary = raw_call(channel, "/t.T/Unary")(b"", timeout=20)
        stream = raw_call(channel, "/t.T/Stream", stream=True)(b"", timeout=20)
        return [await failure(unary), await failure(rest_of(stream))]


async def test_cancellation_from_inside_ends_the_call() -> None:
    async def handler(request: bytes, context: Any) -> None:
        inner = asyncio.ensure_future(asyncio.Event().wait())
        inner.cancel()
        await inner

    for error in await both_failures(handler):
        assert error.code() is grpc.StatusCode.UNAVAILABLE


async def test_exceptions_do_not_leak() -> None:
    async def handler(request: bytes, context: Any) -> None:
        raise ValueError("secret /etc/path")

    for error in await both_failures(handler):
        assert error.code() is grpc.StatusCode.INTERNAL
        assert "secret" not in str(error)


async def test_aborts_pass() -> None:
    async def handler(request: bytes, context: Any) -> None:
        await context.abort(grpc.StatusCode.DATA_LOSS, "gone")

    for error in await both_failures(handler):
        assert (error.code(), error.details()) == (grpc.StatusCode.DATA_LOSS, "gone")


async def test_the_clients_cancellation_reaches_the_handler() -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    async def handler(request: bytes, context: Any) -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with serving(handler) as channel:
        call = raw_call(channel, "/t.T/Unary")(b"")
        await began.wait()
        call.cancel()
        await ended.wait()


@pytest.mark.parametrize(("number", "name"), [(3, "INVALID_ARGUMENT"), (0, "INTERNAL"), (99, "INTERNAL")])
def test_numbers_that_are_no_error_become_internal(number: int, name: str) -> None:
    assert grpc_code(number).name == name
