"""Lets requests pass that are right in themselves and ask for what is built."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from ligserve.server.call import current_call
from ligserve.server.errors import InvalidArgumentError
from ligserve.server.interceptors.wrapping import AroundCall, Context
from ligserve.server.unbuilt import refuse_unbuilt
from ligserve.server.validation import violations
from ligserve.v1 import explanation_service_pb2 as pb
from ligserve.v1 import model_service_pb2 as model_pb


class Validation(AroundCall):
    """Checks every request before its handler sees it."""

    def __init__(self, *, max_text_chars: int) -> None:
        """Keep the longest text that is taken, in Unicode code points."""
        self._max_text_chars = max_text_chars

    @contextlib.asynccontextmanager
    async def around(self, method: str, request: Any, context: Context) -> AsyncIterator[None]:
        """Check the request; the log knows its model whether it passes or not."""
        current_call().model = _model(request)
        found = violations(request, max_text_chars=self._max_text_chars)
        if found:
            raise InvalidArgumentError(found)
        if isinstance(request, pb.StreamExplainRequest | pb.EstimateCostRequest):
            refuse_unbuilt(request.request)
        elif isinstance(request, pb.ExplainRequest):
            refuse_unbuilt(request)
        yield


def _model(request: Any) -> str:
    """The model that a request names, if any."""
    match request:
        case pb.ExplainRequest():
            return request.model
        case pb.StreamExplainRequest() | pb.EstimateCostRequest():
            return request.request.model
        case model_pb.GetModelRequest():
            return request.name
    return ""
