"""One line per call."""

import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio

from ligserve.server import logs
from ligserve.server.call import current_call
from ligserve.server.interceptors.wrapping import AroundCall, Context

_log = logs.logger("ligserve.access")
_QUIET = "/grpc.health."


class AccessLog(AroundCall):
    """Tells of every call how it ended; never what it said. Probes of health are told at level debug."""

    @contextlib.asynccontextmanager
    async def around(self, method: str, request: Any, context: Context) -> AsyncIterator[None]:
        """Log the call at its end."""
        began = time.monotonic()
        left = False
        try:
            yield
        except grpc.aio.AbortError:
            raise
        except BaseException:
            # Cancelled, or gone while we wrote to it.
            left = True
            raise
        finally:
            call = current_call()
            say = _log.debug if method.startswith(_QUIET) else _log.info
            say(
                "call",
                method=method,
                model=call.model,
                code="CANCELLED" if left else _code(context),
                duration_s=round(time.monotonic() - began, 4),
                peer=context.peer(),
                request_id=call.request_id,
                points=call.points,
            )


def _code(context: Context) -> str:
    """The name of the code that was sent; aio keeps its number, and 0 or None while none is set."""
    code: Any = context.code()
    if isinstance(code, grpc.StatusCode):
        return code.name
    return next((known.name for known in grpc.StatusCode if known.value[0] == code), "OK")
