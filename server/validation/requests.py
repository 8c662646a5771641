"""Rules of whole requests, by their type."""

from google.protobuf.message import Message

from ligserve.server.errors import FieldViolation
from ligserve.server.validation.explainers import check_explainer
from ligserve.server.validation.options import check_options, check_stream
from ligserve.server.validation.rules import Violations
from ligserve.v1 import explanation_service_pb2 as service_pb
from ligserve.v1 import model_service_pb2 as model_pb

MAX_PAGE_SIZE = 1000


def violations(request: Message, *, max_text_chars: int) -> list[FieldViolation]:
    """Everything that is wrong with a request in itself; empty if nothing is.

    Paths are relative to ExplainRequest, also for StreamExplain and EstimateCost, or to the request of
    another method.
    """
    found = Violations()
    match request:
        case service_pb.ExplainRequest():
            _check_explain(found, request, max_text_chars)
        case service_pb.StreamExplainRequest():
            _check_explain(found, request.request, max_text_chars)
            check_stream(found, request.stream)
        case service_pb.EstimateCostRequest():
            _check_explain(found, request.request, max_text_chars)
        case model_pb.ListModelsRequest():
            found.whole_number("page_size", request.page_size, 0, MAX_PAGE_SIZE)
        case model_pb.GetModelRequest():
            _check_name(found, "name", request.name)
    return found.found


def _check_explain(found: Violations, request: service_pb.ExplainRequest, max_text_chars: int) -> None:
    _check_name(found, "model", request.model)
    check_explainer(found, request, max_text_chars)
    check_options(found, request.options)


def _check_name(found: Violations, field: str, name: str) -> None:
    if not name:
        found.add(field, "must name a model; ListModels tells which there are")
