"""A stream of events, read by awaiting."""

from collections.abc import AsyncIterator
from types import TracebackType
from typing import Protocol, Self, cast

import grpc.aio

from ligserve.client.cancellation import explain_cancellation
from ligserve.client.errors import MalformedAnswerError, translate_rpc_errors
from ligserve.client.folding import StreamFolder
from ligserve.client.local_failures import Asked
from ligserve.client.types.events import Event
from ligserve.client.types.explanation import Explanation
from ligserve.v1 import explanation_service_pb2 as service_pb


class ResponseCall(Protocol):
    """The part of a call in progress that is needed here."""

    async def read(self) -> object:
        """The next message, or grpc.aio.EOF."""
        ...

    def cancel(self) -> bool:
        """Stop the call."""
        ...


class AsyncExplanationStream:
    """An explanation as it comes into being.

    Leaving its `async with` block cancels what is left of the work:

        async with client.stream("sentiment", SequenceClassification("I love you")) as stream:
            async for event in stream:
                ...
            explanation = await stream.result()
    """

    def __init__(self, call: ResponseCall, texts: tuple[str, ...], asked: Asked) -> None:
        self.request_id = asked.request_id
        self.texts = texts
        self._asked = asked
        self._call = call
        self._folder = StreamFolder(texts)

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        while (message := await self._read()) is not None:
            if (event := self._feed(message)) is not None:
                return event
        # Raises if the summary is missing, so that a cut stream cannot pass for a whole one.
        self._folder.result()
        raise StopAsyncIteration

    async def result(self) -> Explanation:
        """Read what is left, and return the explanation; the same one each time.

        Raises:
            TruncatedStreamError: the stream ended before its summary.
            LigserveError: any other of its tree.
        """
        async for _ in self:
            pass
        return self._folder.result()

    def so_far(self) -> Explanation | None:
        """What is final by now: of a long text the windows that are finished, with what is unexplained.

        At any time, also after `close` and after an error; None before the header came. Until the stream has
        come to its end, the explanation says that it is not `finished`.
        """
        return self._folder.so_far()

    async def close(self) -> None:
        """Cancel what is left of the work. Closing again, or after the end, does nothing."""
        self._call.cancel()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _read(self) -> service_pb.StreamExplainResponse | None:
        with explain_cancellation(), translate_rpc_errors(self._asked):
            message = await self._call.read()
        if message is grpc.aio.EOF:
            return None
        event = cast(service_pb.StreamExplainResponse, message)
        self._asked = self._asked.after(event)
        return event

    def _feed(self, message: service_pb.StreamExplainResponse) -> Event | None:
        try:
            return self._folder.feed(message)
        except MalformedAnswerError:
            self._call.cancel()
            raise


async def explained_with_progress(stream: AsyncExplanationStream) -> Explanation:
    """Read a stream to its end, showing how far it is where standard error is a terminal.

    Raises:
        LigserveError: any of its tree.
    """
    from ligserve.client.rendering.progress import ProgressBar

    with ProgressBar(stream.texts) as bar:
        async for event in stream:
            bar.show(event)
    return await stream.result()
