"""What can go wrong, as classes.

    LigserveError
    ├── InvalidRequestError       INVALID_ARGUMENT, OUT_OF_RANGE   .violations, with field paths
    │                             RESOURCE_EXHAUSTED               a message above a limit
    ├── NotFoundError             NOT_FOUND
    │   └── ModelNotFoundError    the server has no model of that name
    ├── FailedPreconditionError   FAILED_PRECONDITION              a fine request, not for this model
    ├── UnimplementedError        UNIMPLEMENTED                    .part, which the server lacks
    ├── OverloadedError           RESOURCE_EXHAUSTED               .retry_after, in seconds
    ├── ServerUnavailableError    UNAVAILABLE                      .retry_after, in seconds
    ├── DeadlineExceededError     DEADLINE_EXCEEDED
    ├── CallCancelledError        CANCELLED
    ├── AuthenticationError       UNAUTHENTICATED
    ├── PermissionDeniedError     PERMISSION_DENIED
    ├── ServerError               every other code                 .error_id, to quote to the operator
    ├── MalformedAnswerError      the answer breaks the protocol
    │   └── TruncatedStreamError  the stream ended before its summary
    └── ClientClosedError         the client was closed

Every error carries code, details, request_id and reason (None where there is none), and is chained from
the grpc.RpcError that it stands for.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import ClassVar

import grpc

from ligserve.client.failures import NO_FAILURE, Failure, FieldViolation, read_failure, told_by_server
from ligserve.client.local_failures import NOT_SAID, Asked, reworded


class LigserveError(Exception):
    """Anything that this client raises on purpose."""

    def __init__(self, message: str, failure: Failure = NO_FAILURE) -> None:
        super().__init__(message)
        self.failure = failure

    def __reduce__(self) -> tuple[object, ...]:
        # Exception's own would call __init__ again, and some of these add words to their message.
        return _restored, (type(self), self.args), self.__dict__

    @property
    def code(self) -> grpc.StatusCode | None:
        """The status of the call; None where the server was not asked."""
        return self.failure.code

    @property
    def details(self) -> str:
        """The server's message."""
        return self.failure.details

    @property
    def request_id(self) -> str | None:
        """Identifier of the request, the same in the server's log."""
        return self.failure.request_id

    @property
    def reason(self) -> str | None:
        """Stable reason of the server (google.rpc.ErrorInfo), such as "MODEL_NOT_FOUND"."""
        return self.failure.reason


def _restored(kind: type[LigserveError], args: tuple[object, ...]) -> LigserveError:
    return kind.__new__(kind, *args)


class InvalidRequestError(LigserveError):
    """The request is wrong in itself."""

    @property
    def violations(self) -> tuple[FieldViolation, ...]:
        """What is wrong, field by field; paths are relative to ExplainRequest."""
        return self.failure.violations


class NotFoundError(LigserveError):
    """There is no resource of that name."""


class ModelNotFoundError(NotFoundError):
    """The server has no model of that name."""


class FailedPreconditionError(LigserveError):
    """The request is fine, but not for this model."""


class UnimplementedError(LigserveError):
    """The server does not have that part of the interface."""

    @property
    def part(self) -> str | None:
        """The part, such as "question_answering", where the server names it."""
        return self.failure.metadata.get("part")


class OverloadedError(LigserveError):
    """A limit of the server is reached, such as its queue's; a retry may succeed."""

    @property
    def retry_after(self) -> float | None:
        """Seconds after which a retry may succeed, where the server says so."""
        return self.failure.retry_after


class ServerUnavailableError(LigserveError):
    """The server cannot be reached or cannot answer now."""

    @property
    def retry_after(self) -> float | None:
        """Seconds after which a retry may succeed, where the server says so."""
        return self.failure.retry_after


class DeadlineExceededError(LigserveError):
    """The timeout passed before there was an answer."""


class CallCancelledError(LigserveError):
    """The call was cancelled, by either end."""


class AuthenticationError(LigserveError):
    """The server does not accept the token."""


class PermissionDeniedError(LigserveError):
    """The token does not allow this call."""


class ServerError(LigserveError):
    """A defect of the server."""

    @property
    def error_id(self) -> str | None:
        """What to quote to the server's operator, whose log has the cause."""
        return self.failure.metadata.get("error_id")


class MalformedAnswerError(LigserveError):
    """The server's answer breaks the protocol."""

    problem: ClassVar[str] = "the server's answer breaks the protocol"

    def __init__(self, message: str, failure: Failure = NO_FAILURE) -> None:
        super().__init__(f"{self.problem}: {message}", failure)


class TruncatedStreamError(MalformedAnswerError):
    """The stream ended before its summary, so that its scores may not be final."""

    problem = "the server's answer is cut short"


class ClientClosedError(LigserveError):
    """The client was closed, and cannot be used again."""


ERROR_CLASSES: Mapping[grpc.StatusCode, type[LigserveError]] = {
    # OK on a failed call: the status was lost between the server and here.
    grpc.StatusCode.OK: ServerError,
    grpc.StatusCode.CANCELLED: CallCancelledError,
    grpc.StatusCode.UNKNOWN: ServerError,
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequestError,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceededError,
    grpc.StatusCode.NOT_FOUND: NotFoundError,
    grpc.StatusCode.ALREADY_EXISTS: ServerError,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDeniedError,
    grpc.StatusCode.UNAUTHENTICATED: AuthenticationError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: OverloadedError,
    grpc.StatusCode.FAILED_PRECONDITION: FailedPreconditionError,
    grpc.StatusCode.ABORTED: ServerError,
    grpc.StatusCode.OUT_OF_RANGE: InvalidRequestError,
    grpc.StatusCode.UNIMPLEMENTED: UnimplementedError,
    grpc.StatusCode.INTERNAL: ServerError,
    grpc.StatusCode.UNAVAILABLE: ServerUnavailableError,
    grpc.StatusCode.DATA_LOSS: ServerError,
}


def from_rpc_error(error: grpc.RpcError, asked: Asked = NOT_SAID) -> LigserveError:
    """The error of this tree that stands for gRPC's."""
    failure = read_failure(error, asked.request_id or None)
    if not told_by_server(error):
        failure = reworded(failure, asked)
    kind = ERROR_CLASSES.get(failure.code or grpc.StatusCode.UNKNOWN, ServerError)
    if failure.violations and kind is OverloadedError:
        # A message above a limit is no better after a wait.
        kind = InvalidRequestError
    if failure.reason == "MODEL_NOT_FOUND" and kind is NotFoundError:
        kind = ModelNotFoundError
    return kind(failure.summary, failure)


@contextmanager
def translate_rpc_errors(asked: Asked = NOT_SAID) -> Iterator[None]:
    """Raise this tree's errors in place of gRPC's, in sync and async code alike."""
    try:
        yield
    except grpc.RpcError as error:
        raise from_rpc_error(error, asked) from error
