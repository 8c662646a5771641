"""ModelService: which models there are."""

import base64
import binascii

import grpc.aio

from ligserve.server.errors import (
    FieldViolation,
    InvalidArgumentError,
    NotFoundError,
    UnavailableError,
)
from ligserve.server.pool.pool import WorkerPool
from ligserve.v1 import model_service_pb2 as pb
from ligserve.v1.model_service_pb2_grpc import ModelServiceServicer

DEFAULT_PAGE_SIZE = 100
LOADING_RETRY_S = 2.0

Context = grpc.aio.ServicerContext[object, object]


class ModelService(ModelServiceServicer):
    """Answers from what the workers reported."""

    def __init__(self, pool: WorkerPool) -> None:
        """Keep the pool whose workers hold the models."""
        self._pool = pool

    async def ListModels(self, request: pb.ListModelsRequest, context: Context) -> pb.ListModelsResponse:
        """A page of the models, by name."""
        after = _decode_token(request.page_token)
        models = [model for model in self._loaded() if model.name > after]
        page = models[: request.page_size or DEFAULT_PAGE_SIZE]
        more = len(models) > len(page)
        return pb.ListModelsResponse(
            models=page, next_page_token=_encode_token(page[-1].name) if more else ""
        )

    async def GetModel(self, request: pb.GetModelRequest, context: Context) -> pb.GetModelResponse:
        """One model."""
        models = {model.name: model for model in self._loaded()}
        if request.name not in models:
            raise NotFoundError(
                f"there is no model {request.name!r}; there are {', '.join(models)}",
                resource_type="model",
                name=request.name,
            )
        return pb.GetModelResponse(model=models[request.name])

    def _loaded(self) -> list[pb.Model]:
        models = self._pool.models()
        if not models:
            raise UnavailableError("the models are loading", reason="LOADING", retry_after_s=LOADING_RETRY_S)
        return models


def _encode_token(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).decode()


def _decode_token(token: str) -> str:
    """The last name of the page before; "" sorts before every name."""
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        violation = FieldViolation("page_token", "is not a token that this server gave")
        raise InvalidArgumentError([violation]) from error
