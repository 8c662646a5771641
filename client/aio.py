"""The asyncio client."""

from types import TracebackType
from typing import Self, Unpack

import grpc.aio

from ligserve.client.aio_stream import AsyncExplanationStream, explained_with_progress
from ligserve.client.answer_size import ANSWER_TOO_LARGE
from ligserve.client.calls import (
    SELDOM_S,
    ExplainCall,
    call_settings,
    explain_call,
    get_model_request,
    list_models_request,
)
from ligserve.client.cancellation import explain_cancellation
from ligserve.client.channel import (
    DEFAULT_MAX_ATTEMPTS,
    DEFAULT_MAX_MESSAGE_BYTES,
    DEFAULT_SERVER,
    DEFAULT_TIMEOUT_S,
    ClientConfig,
    TlsConfig,
    open_aio_channel,
)
from ligserve.client.errors import ClientClosedError, FailedPreconditionError, translate_rpc_errors
from ligserve.client.folding import fold_answer
from ligserve.client.options import UNSET, ExplainKeywords, Metadata, Timeout
from ligserve.client.requests import cost_request, stream_request
from ligserve.client.tasks import Task
from ligserve.client.types.estimate import CostEstimate
from ligserve.client.types.explanation import Explanation
from ligserve.client.types.models import Model
from ligserve.v1.explanation_service_pb2_grpc import ExplanationServiceStub
from ligserve.v1.model_service_pb2_grpc import ModelServiceStub


class AsyncClient:
    """Asks a server for explanations, in asyncio; it belongs to the event loop of its first call.

    It connects at its first call. Options are those of `ClientConfig`.

        async with AsyncClient("127.0.0.1:50051") as client:
            explanation = await client.explain("sentiment", SequenceClassification("I love you"))

    Raises:
        ValueError: an option's value makes no sense.
    """

    def __init__(
        self,
        server: str = DEFAULT_SERVER,
        *,
        tls: TlsConfig | bool | None = None,
        token: str | None = None,
        timeout: float | None = DEFAULT_TIMEOUT_S,
        metadata: Metadata = (),
        max_message_bytes: int = DEFAULT_MAX_MESSAGE_BYTES,
        max_attempts: int = DEFAULT_MAX_ATTEMPTS,
    ) -> None:
        self._config = ClientConfig(
            server=server,
            tls=tls,
            token=token,
            timeout=timeout,
            metadata=metadata,
            max_message_bytes=max_message_bytes,
            max_attempts=max_attempts,
        )
        self._channel: grpc.aio.Channel | None = None
        self._closed = False

    async def explain(
        self, model: str, task: Task, *, progress: bool = False, **options: Unpack[ExplainKeywords]
    ) -> Explanation:
        """The finished explanation of a task by a model; options are those of `ExplainOptions`.

        Args:
            model: name of the model.
            task: the question.
            progress: show a progress bar on standard error, where that is a terminal.
            options: how to explain.

        Raises:
            LigserveError: any of its tree.
            TypeError: the task is none, or a value is of the wrong type.
            ValueError: an option's value is unknown or out of range.
        """
        call = explain_call(self._config, model, task, options)
        if not progress and not call.long:
            try:
                return await self._answer(call)
            except FailedPreconditionError as refusal:
                if refusal.reason != ANSWER_TOO_LARGE:
                    raise
        async with self._stream(call, SELDOM_S) as stream:
            return await explained_with_progress(stream) if progress else await stream.result()

    async def estimate_cost(self, model: str, task: Task, **options: Unpack[ExplainKeywords]) -> CostEstimate:
        """What an explanation would cost, without computing it; options are those of `ExplainOptions`.

        Raises:
            LigserveError: any of its tree.
            TypeError: the task is none, or a value is of the wrong type.
            ValueError: an option's value is unknown or out of range.
        """
        call = explain_call(self._config, model, task, options)
        stub, settings = ExplanationServiceStub(self._open()), call.settings
        with explain_cancellation(), translate_rpc_errors(settings.asked):
            answer = await stub.EstimateCost(
                cost_request(call.request), timeout=settings.timeout, metadata=settings.metadata
            )
        return CostEstimate.from_proto(answer)

    def stream(
        self,
        model: str,
        task: Task,
        *,
        estimate_interval: float | None = None,
        preview: bool = False,
        **options: Unpack[ExplainKeywords],
    ) -> AsyncExplanationStream:
        """The explanation as it comes into being, at most one estimate of a target per interval (seconds).

        With `preview` a first one comes after a single point: gradient x (input - baseline).

        Raises:
            LigserveError: any of its tree; most of them while the stream is read.
            TypeError: the task is none, or a value is of the wrong type.
            ValueError: an option's value is unknown or out of range.
        """
        return self._stream(explain_call(self._config, model, task, options), estimate_interval, preview)

    async def _answer(self, call: ExplainCall) -> Explanation:
        """The explanation in one message."""
        stub, settings = ExplanationServiceStub(self._open()), call.settings
        with explain_cancellation(), translate_rpc_errors(settings.asked):
            answer = await stub.Explain(call.request, timeout=settings.left, metadata=settings.metadata)
        return fold_answer(answer, call.texts)

    def _stream(
        self, call: ExplainCall, estimate_interval: float | None, preview: bool = False
    ) -> AsyncExplanationStream:
        stub, settings = ExplanationServiceStub(self._open()), call.settings
        request = stream_request(call.request, estimate_interval, preview=preview)
        responses = stub.StreamExplain(request, timeout=settings.left, metadata=settings.metadata)
        return AsyncExplanationStream(responses, call.texts, settings.asked)

    async def models(self, *, timeout: Timeout = UNSET) -> tuple[Model, ...]:
        """The server's models, ordered by name.

        Raises:
            LigserveError: any of its tree.
        """
        stub, settings = ModelServiceStub(self._open()), call_settings(self._config, timeout)
        models: list[Model] = []
        page_token: str | None = ""
        while page_token is not None:
            request = list_models_request(page_token)
            with explain_cancellation(), translate_rpc_errors(settings.asked):
                page = await stub.ListModels(request, timeout=settings.timeout, metadata=settings.metadata)
            models.extend(map(Model.from_proto, page.models))
            page_token = page.next_page_token or None
        return tuple(models)

    async def model(self, name: str, *, timeout: Timeout = UNSET) -> Model:
        """One model.

        Raises:
            ModelNotFoundError: there is none of that name.
            LigserveError: any other of its tree.
        """
        request, settings = get_model_request(name), call_settings(self._config, timeout)
        stub = ModelServiceStub(self._open())
        with explain_cancellation(), translate_rpc_errors(settings.asked):
            answer = await stub.GetModel(request, timeout=settings.timeout, metadata=settings.metadata)
        return Model.from_proto(answer.model)

    async def close(self) -> None:
        """End the connection and the calls in flight. Closing again does nothing."""
        self._closed = True
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close()

    async def __aenter__(self) -> Self:
        self._refuse_if_closed()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"AsyncClient({self._config.server!r})"

    def _open(self) -> grpc.aio.Channel:
        self._refuse_if_closed()
        if self._channel is None:
            self._channel = open_aio_channel(self._config)
        return self._channel

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise ClientClosedError("this client was closed; make a new one")
