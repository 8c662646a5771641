"""Errors become canonical codes with details; nothing of the server's inside reaches a caller."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from typing import Any

import grpc.aio

from ligserve.server import logs
from ligserve.server.call import current_call
from ligserve.server.errors import (
    FieldViolation,
    InternalError,
    InvalidArgumentError,
    ServeError,
    UnavailableError,
)
from ligserve.server.interceptors.request_id import KEY as REQUEST_ID
from ligserve.server.interceptors.status import grpc_code, to_status, trailing_metadata
from ligserve.server.interceptors.wrapping import AroundCall, Context, Undecodable

# abort waits for as long as the client reads nothing; the status arrives when it does.
ABORT_PATIENCE_S = 0.5

_log = logs.logger("ligserve.errors")


class ErrorTranslation(AroundCall):
    """Ends failed calls with a status."""

    @contextlib.asynccontextmanager
    async def around(self, method: str, request: Any, context: Context) -> AsyncIterator[None]:
        """Translate what the call raises."""
        try:
            if isinstance(request, Undecodable):
                raise InvalidArgumentError(
                    [FieldViolation("", "is not a valid message (is its text UTF-8?)")]
                )
            yield
        except (grpc.aio.AbortError, grpc.aio.InternalError):
            # Aborted already, or the client has gone while we wrote to it.
            raise
        except asyncio.CancelledError:
            if _call_is_cancelled():
                raise
            # Cancelled from inside: gRPC would leave the client waiting for ever.
            await _abort(context, UnavailableError("the server stopped this call", reason="INTERRUPTED"))
        except ServeError as error:
            await _abort(context, error)
        except Exception as error:
            error_id = uuid.uuid4().hex[:12]
            _log.error("internal error", error_id=error_id, method=method, exc_info=error)
            await _abort(context, InternalError(error_id))


def _call_is_cancelled() -> bool:
    """Whether the client, or its deadline, cancelled this call (context.cancelled() is not true yet)."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _abort(context: Context, error: ServeError) -> None:
    status = to_status(error)
    try:
        async with asyncio.timeout(ABORT_PATIENCE_S):
            # abort drops the trailing metadata that were set before.
            metadata = (*trailing_metadata(status), (REQUEST_ID, current_call().request_id))
            await context.abort(grpc_code(status.code), status.message, metadata)
    except TimeoutError:
        return
    except grpc.aio.InternalError:
        # The client has gone: nobody is left to tell, and no error of ours to log.
        raise asyncio.CancelledError from None
