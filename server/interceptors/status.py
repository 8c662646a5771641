"""Errors as gRPC sends them: a code, a sentence, and google.rpc details in trailing metadata."""

import grpc
from google.rpc import error_details_pb2, status_pb2

from ligserve.server.errors import ServeError, to_failure

# Metadata above 8 KiB (the sentence is sent twice, once percent-encoded) loses the status itself.
LONGEST_DESCRIPTION = 200
MAX_DETAILS_BYTES = 4096
MAX_MESSAGE_BYTES = 1024

_DETAILS_KEY = "grpc-status-details-bin"
# gRPC's own retries obey this key and know nothing of RetryInfo.
_PUSHBACK_KEY = "grpc-retry-pushback-ms"
_CODES = {code.value[0]: code for code in grpc.StatusCode}


def grpc_code(number: int) -> grpc.StatusCode:
    """The code of a number; INTERNAL for one that is no error."""
    code = _CODES.get(number, grpc.StatusCode.INTERNAL)
    return grpc.StatusCode.INTERNAL if code is grpc.StatusCode.OK else code


def to_status(error: ServeError) -> status_pb2.Status:
    """The status of an error, cut so that it arrives: details from the end, ErrorInfo being the first."""
    failure = to_failure(error)
    status = status_pb2.Status(code=grpc_code(failure.code).value[0], message=_cut(failure.message))
    status.details.extend(failure.details)
    while status.details and status.ByteSize() > MAX_DETAILS_BYTES:
        _shorten(status)
    return status


def _shorten(status: status_pb2.Status) -> None:
    """From a last detail that is a BadRequest cut a description, or take a violation; or take that detail."""
    bad_request = error_details_pb2.BadRequest()
    packed = status.details.pop()
    if not packed.Unpack(bad_request):
        return
    last = bad_request.field_violations[-1]
    if len(last.description) > LONGEST_DESCRIPTION:
        last.description = last.description[: LONGEST_DESCRIPTION - 3] + "..."
    elif len(bad_request.field_violations) > 1:
        bad_request.field_violations.pop()
    else:
        return
    packed.Pack(bad_request)
    status.details.append(packed)


def _cut(message: str) -> str:
    encoded = message.encode()
    if len(encoded) <= MAX_MESSAGE_BYTES:
        return message
    return encoded[: MAX_MESSAGE_BYTES - 3].decode(errors="ignore") + "..."


def trailing_metadata(status: status_pb2.Status) -> tuple[tuple[str, str | bytes], ...]:
    """What goes beside the code: the details, and when to retry."""
    entries: list[tuple[str, str | bytes]] = [(_DETAILS_KEY, status.SerializeToString())]
    retry = error_details_pb2.RetryInfo()
    for detail in status.details:
        if detail.Unpack(retry):
            entries.append((_PUSHBACK_KEY, str(retry.retry_delay.ToMilliseconds())))
    return tuple(entries)
