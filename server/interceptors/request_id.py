"""Every call has an identifier: the caller's, or one of ours; it comes back in the trailing metadata.

Initial metadata would come sooner, but they commit a call: no client would ever retry it.
"""

import contextlib
import re
import uuid
from collections.abc import AsyncIterator
from typing import Any

import structlog

from ligserve.server.call import Call, begin_call
from ligserve.server.interceptors.wrapping import AroundCall, Context

KEY = "x-request-id"
# Short and plain, so that it can stand in any log.
_SANE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+=-]{0,127}")


class RequestId(AroundCall):
    """Begins the record of a call."""

    @contextlib.asynccontextmanager
    async def around(self, method: str, request: Any, context: Context) -> AsyncIterator[None]:
        """Take or make the identifier, and send it back."""
        request_id = _from_caller(context) or uuid.uuid4().hex
        begin_call(Call(method=method, request_id=request_id))
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            context.set_trailing_metadata(((KEY, request_id),))
            yield


def _from_caller(context: Context) -> str | None:
    for key, value in context.invocation_metadata() or ():
        if key == KEY and isinstance(value, str) and _SANE.fullmatch(value):
            return value
    return None
