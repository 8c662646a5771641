"""What a failed call says of itself: the status, and the google.rpc details beside it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar, cast

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

STATUS_DETAILS_KEY = "grpc-status-details-bin"

M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One thing that is wrong with a request."""

    field: str
    description: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed call, as far as it explains itself; fields it leaves out keep their defaults."""

    code: grpc.StatusCode | None = None
    details: str = ""
    request_id: str | None = None
    reason: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    violations: tuple[FieldViolation, ...] = ()
    retry_after: float | None = None

    @property
    def summary(self) -> str:
        """One sentence for a person."""
        if self.details:
            return self.details
        return f"the call failed with {self.code.name}" if self.code else "the call failed"


NO_FAILURE = Failure()


def read_failure(error: grpc.RpcError, request_id: str | None) -> Failure:
    """Everything that gRPC's error tells; missing or damaged details are left out."""
    call = cast(grpc.Call, error)
    if not callable(getattr(call, "code", None)):
        return Failure(details=str(error), request_id=request_id)
    failure = Failure(code=call.code(), details=call.details() or "", request_id=request_id)
    for detail in _details(call.trailing_metadata()):
        failure = _with_detail(failure, detail)
    return failure


def told_by_server(error: grpc.RpcError) -> bool:
    """Whether the server sent its own details, so that the failure is not gRPC's."""
    trailing = getattr(error, "trailing_metadata", None)
    return any(key == STATUS_DETAILS_KEY for key, _ in (trailing() if callable(trailing) else None) or ())


def _details(trailing: Iterable[tuple[str, str | bytes]] | None) -> Iterator[Message]:
    for key, value in trailing or ():
        if key == STATUS_DETAILS_KEY and isinstance(value, bytes):
            yield from _unpacked(value)


def _unpacked(value: bytes) -> Iterator[Message]:
    status = _parsed(status_pb2.Status, value)
    kinds = (error_details_pb2.ErrorInfo, error_details_pb2.BadRequest, error_details_pb2.RetryInfo)
    for packed in status.details if status is not None else ():
        for kind in kinds:
            named = packed.type_url.rpartition("/")[2] == kind.DESCRIPTOR.full_name
            if named and (detail := _parsed(kind, packed.value)) is not None:
                yield detail


def _parsed(kind: type[M], value: bytes) -> M | None:
    try:
        return kind.FromString(value)
    except DecodeError:
        return None


def _with_detail(failure: Failure, detail: Message) -> Failure:
    match detail:
        case error_details_pb2.ErrorInfo():
            return replace(failure, reason=detail.reason, metadata=dict(detail.metadata))
        case error_details_pb2.BadRequest():
            found = (FieldViolation(v.field, v.description) for v in detail.field_violations)
            return replace(failure, violations=tuple(found))
        case error_details_pb2.RetryInfo():
            return replace(failure, retry_after=detail.retry_delay.ToNanoseconds() / 1e9)
        case _:
            return failure
