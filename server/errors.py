"""The errors a caller can be told, free of gRPC so that workers raise them too.

    ServeError
    ├── InvalidArgumentError      INVALID_ARGUMENT      BadRequest with field paths
    ├── NotFoundError             NOT_FOUND             ResourceInfo
    ├── FailedPreconditionError   FAILED_PRECONDITION
    ├── UnimplementedError        UNIMPLEMENTED
    ├── ResourceExhaustedError    RESOURCE_EXHAUSTED    RetryInfo where a retry may help
    ├── UnavailableError          UNAVAILABLE           RetryInfo
    ├── DeadlineExceededError     DEADLINE_EXCEEDED
    └── InternalError             INTERNAL              an error id, never the cause

Each carries google.rpc.ErrorInfo with domain "ligserve" and a stable reason.
Field paths are relative to ExplainRequest (or to the request of another method).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2

from ligserve.internal.v1 import frames_pb2

DOMAIN = "ligserve"
# Error details above 8 KiB never arrive (a limit on metadata), so long lists are cut.
MAX_VIOLATIONS = 25


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One thing that is wrong with a request."""

    field: str
    description: str


class ServeError(Exception):
    """An error whose message is meant for the caller."""

    code: ClassVar[int] = code_pb2.UNKNOWN

    def __init__(self, message: str, *, reason: str, **metadata: str) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason
        self.metadata = metadata

    def details(self) -> list[Message]:
        """The google.rpc details, ErrorInfo first."""
        return [error_details_pb2.ErrorInfo(reason=self.reason, domain=DOMAIN, metadata=self.metadata)]


class InvalidArgumentError(ServeError):
    """The request is wrong in itself."""

    code = code_pb2.INVALID_ARGUMENT

    def __init__(
        self, violations: Sequence[FieldViolation], *, reason: str = "INVALID_REQUEST", **metadata: str
    ) -> None:
        shown = list(violations[:MAX_VIOLATIONS])
        message = "; ".join(f"{v.field}: {v.description}" for v in shown)
        if len(violations) > len(shown):
            message += f"; and {len(violations) - len(shown)} more"
        super().__init__(message, reason=reason, **metadata)
        self.violations = tuple(shown)

    def details(self) -> list[Message]:
        """ErrorInfo and BadRequest."""
        bad_request = error_details_pb2.BadRequest()
        for violation in self.violations:
            bad_request.field_violations.add(field=violation.field, description=violation.description)
        return [*super().details(), bad_request]


class NotFoundError(ServeError):
    """There is no resource of that name."""

    code = code_pb2.NOT_FOUND

    def __init__(self, message: str, *, resource_type: str, name: str) -> None:
        super().__init__(message, reason=f"{resource_type.upper()}_NOT_FOUND")
        self.resource_type = resource_type
        self.name = name

    def details(self) -> list[Message]:
        """ErrorInfo and ResourceInfo."""
        info = error_details_pb2.ResourceInfo(
            resource_type=self.resource_type, resource_name=self.name, description=self.message
        )
        return [*super().details(), info]


class FailedPreconditionError(ServeError):
    """The request is fine, but not for this model."""

    code = code_pb2.FAILED_PRECONDITION


class UnimplementedError(ServeError):
    """A part of the interface that is not built yet."""

    code = code_pb2.UNIMPLEMENTED

    def __init__(self, part: str) -> None:
        super().__init__(f"{part} is not built yet", reason="NOT_BUILT_YET", part=part)


class RetryableError(ServeError):
    """The same request may succeed later."""

    def __init__(
        self, message: str, *, reason: str, retry_after_s: float | None = None, **metadata: str
    ) -> None:
        super().__init__(message, reason=reason, **metadata)
        self.retry_after_s = retry_after_s

    def details(self) -> list[Message]:
        """ErrorInfo, and RetryInfo where a delay is known."""
        if self.retry_after_s is None:
            return super().details()
        delay = Duration()
        delay.FromNanoseconds(round(self.retry_after_s * 1e9))
        return [*super().details(), error_details_pb2.RetryInfo(retry_delay=delay)]


class ResourceExhaustedError(RetryableError):
    """A limit is reached: the queue is full, or memory is too small."""

    code = code_pb2.RESOURCE_EXHAUSTED


class UnavailableError(RetryableError):
    """The server cannot answer now: it drains, or the worker died."""

    code = code_pb2.UNAVAILABLE


class DeadlineExceededError(ServeError):
    """The caller's deadline passed before there was an answer."""

    code = code_pb2.DEADLINE_EXCEEDED


class InternalError(ServeError):
    """A defect of the server; the caller gets an id to quote, the log has the cause."""

    code = code_pb2.INTERNAL

    def __init__(self, error_id: str) -> None:
        super().__init__(f"internal error {error_id}", reason="INTERNAL", error_id=error_id)


class RemoteError(ServeError):
    """A worker's error, as it arrived from the pipe."""

    def __init__(self, failure: frames_pb2.Failure) -> None:
        super().__init__(failure.message, reason="REMOTE")
        self.failure = failure


def to_failure(error: ServeError) -> frames_pb2.Failure:
    """Flatten an error into the message that crosses the pipe."""
    if isinstance(error, RemoteError):
        return error.failure
    failure = frames_pb2.Failure(code=error.code, message=error.message)
    for detail in error.details():
        packed = Any()
        packed.Pack(detail)
        failure.details.append(packed)
    return failure
