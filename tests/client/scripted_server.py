"""A real gRPC server on a free port whose answers a test writes, and which records what it is asked."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from ligserve.v1 import explanation_pb2 as pb
from ligserve.v1 import explanation_service_pb2 as service_pb
from ligserve.v1 import explanation_service_pb2_grpc as service_grpc
from ligserve.v1 import model_service_pb2 as model_pb
from ligserve.v1 import model_service_pb2_grpc as model_grpc
from tests.client.scripted_answer import LABELS, scripted_messages, to_answer
from tests.client.scripted_spans import answer_messages, label_messages


@dataclass
class Refusal:
    """A status to end a call with; `packed` overrides the bytes of its details."""

    code: grpc.StatusCode
    message: str = "refused"
    details: tuple[Message, ...] = ()
    packed: bytes | None = None

    def trailing(self) -> tuple[tuple[str, bytes], ...]:
        if self.packed is not None:
            return (("grpc-status-details-bin", self.packed),)
        status = status_pb2.Status(code=self.code.value[0], message=self.message)
        for detail in self.details:
            status.details.add().Pack(detail)
        return (("grpc-status-details-bin", status.SerializeToString()),)


def refusal(reason: str) -> Refusal:
    """A precondition that fails."""
    info = error_details_pb2.ErrorInfo(reason=reason, domain="ligserve")
    return Refusal(grpc.StatusCode.FAILED_PRECONDITION, "the library cannot run bart.", (info,))


@dataclass
class Script(service_grpc.ExplanationServiceServicer, model_grpc.ModelServiceServicer):
    """What the server answers, and what it saw."""

    address: str = ""
    messages: list[service_pb.StreamExplainResponse] | None = None
    estimate: service_pb.EstimateCostResponse = field(default_factory=service_pb.EstimateCostResponse)
    warnings: list[tuple[str, str]] = field(default_factory=list)
    labels: tuple[str, ...] = LABELS
    single_logit: bool = False
    answer: tuple[int, int] | None = None
    refusals: list[Refusal] = field(default_factory=list)
    hang: bool = False
    page_size: int = 1000
    models: tuple[str, ...] = ("emotion", "sentiment", "toxicity")
    requests: list[service_pb.ExplainRequest] = field(default_factory=list)
    model_requests: list[Message] = field(default_factory=list)
    metadata: list[dict[str, Any]] = field(default_factory=list)
    time_left: list[float | None] = field(default_factory=list)
    intervals: list[float] = field(default_factory=list)
    hanging: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)

    async def Explain(self, request: service_pb.ExplainRequest, context: Any) -> service_pb.ExplainResponse:
        await self._enter(request, context)
        if self.hang:
            await self._hang()
        return to_answer(self._script(request))

    async def StreamExplain(
        self, request: service_pb.StreamExplainRequest, context: Any
    ) -> AsyncIterator[service_pb.StreamExplainResponse]:
        self.intervals.append(request.stream.estimate_interval.ToNanoseconds() / 1e9)
        await self._enter(request.request, context)
        try:
            for message in self._script(request.request):
                yield message
            if self.hang:
                await self._hang()
        except (asyncio.CancelledError, GeneratorExit):
            # A call that is cancelled while a message is written ends here, at its yield.
            self.cancelled.set()
            raise

    async def EstimateCost(
        self, request: service_pb.EstimateCostRequest, context: Any
    ) -> service_pb.EstimateCostResponse:
        await self._enter(request.request, context)
        if self.hang:
            await self._hang()
        return self.estimate

    async def ListModels(
        self, request: model_pb.ListModelsRequest, context: Any
    ) -> model_pb.ListModelsResponse:
        await self._refuse(request, context)
        start = int(request.page_token or 0)
        end = start + min(self.page_size, request.page_size)
        token = str(end) if end < len(self.models) else ""
        return model_pb.ListModelsResponse(
            models=[self._model(name) for name in self.models[start:end]], next_page_token=token
        )

    async def GetModel(self, request: model_pb.GetModelRequest, context: Any) -> model_pb.GetModelResponse:
        await self._refuse(request, context)
        return model_pb.GetModelResponse(model=self._model(request.name))

    async def _enter(self, request: service_pb.ExplainRequest, context: Any) -> None:
        self.requests.append(request)
        self.time_left.append(context.time_remaining())
        await self._refuse(request, context)

    async def _refuse(self, request: Message, context: Any) -> None:
        if not isinstance(request, service_pb.ExplainRequest):
            self.model_requests.append(request)
        self.metadata.append(dict(context.invocation_metadata()))
        if self.refusals:
            refusal = self.refusals.pop(0)
            await context.abort(refusal.code, refusal.message, refusal.trailing())

    async def _hang(self) -> None:
        self.hanging.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()

    def _script(self, request: service_pb.ExplainRequest) -> Iterator[service_pb.StreamExplainResponse]:
        if self.messages is not None:
            return iter(self.messages)
        match request.WhichOneof("explainer"):
            case "question_answering":
                return iter(answer_messages(request, self.warnings, self.answer))
            case "token_classification":
                return iter(label_messages(request, self.warnings))
        return iter(scripted_messages(request, self.labels, self.single_logit, self.warnings))

    def _model(self, name: str) -> model_pb.Model:
        support = model_pb.ExplainerSupport(
            explainer="sequence_classification",
            conventions=[pb.CONVENTION_LIBRARY, pb.CONVENTION_FAITHFUL],
            embedding_layers=[pb.EMBEDDING_LAYER_WORD],
            baselines=["pad_token"],
        )
        return model_pb.Model(
            name=name, revision="abc", architecture="BertForX", labels=self.labels, explainers=[support]
        )


@asynccontextmanager
async def running(
    script: Script, credentials: grpc.ServerCredentials | None = None
) -> AsyncIterator[grpc.aio.Server]:
    """The script behind a port of 127.0.0.1, encrypted where credentials are given."""
    server = grpc.aio.server()
    service_grpc.add_ExplanationServiceServicer_to_server(script, server)
    model_grpc.add_ModelServiceServicer_to_server(script, server)
    if credentials is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        port = server.add_secure_port("127.0.0.1:0", credentials)
    script.address = f"127.0.0.1:{port}"
    await server.start()
    try:
        yield server
    finally:
        await server.stop(None)
