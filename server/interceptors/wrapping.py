"""Interceptors written as context managers, for unary and streaming answers alike."""

import inspect
from abc import abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeAlias

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

Context = grpc.aio.ServicerContext[Any, Any]
Behaviour = Callable[[Any, Context], Awaitable[Any]]
# A text, for grpc's class is generic in its stubs only. None: there is no such method.
MaybeHandler: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"


class Undecodable:
    """Stands for a request whose bytes are no message, so that the caller gets a proper error."""


class AroundCall(grpc.aio.ServerInterceptor):
    """An interceptor that does something around each call.

    Handlers must be coroutine functions, which write streamed answers through the context: an async generator
    is not closed reliably when its client leaves. Others, such as reflection's, are left alone.
    """

    @abstractmethod
    def around(self, method: str, request: Any, context: Context) -> AbstractAsyncContextManager[None]:
        """The context of one call; method is its full name, "/package.Service/Method"."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[MaybeHandler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> MaybeHandler:
        """Wrap the handler of a call."""
        handler = await continuation(handler_call_details)
        if handler is None or handler.request_streaming:
            return handler
        inner = handler.unary_stream if handler.response_streaming else handler.unary_unary
        if not inspect.iscoroutinefunction(inner):
            return handler
        behaviour = self._wrapped(inner, handler_call_details.method)
        make = (
            grpc.unary_stream_rpc_method_handler
            if handler.response_streaming
            else grpc.unary_unary_rpc_method_handler
        )
        return make(behaviour, tolerant(handler.request_deserializer), handler.response_serializer)

    def _wrapped(self, inner: Behaviour, method: str) -> Behaviour:
        async def behaviour(request: Any, context: Context) -> Any:
            async with self.around(method, request, context):
                return await inner(request, context)

        return behaviour


def tolerant(deserialize: Callable[[bytes], Any] | None) -> Callable[[bytes], Any]:
    """A deserializer whose failure reaches the interceptors rather than becoming gRPC's INTERNAL."""

    def deserialize_or_mark(data: bytes) -> Any:
        try:
            return data if deserialize is None else deserialize(data)
        except DecodeError:
            return Undecodable()

    return deserialize_or_mark
