"""What is known of the call that the current task serves."""

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(slots=True)
class Call:
    """A call's facts for the log: never its text."""

    method: str
    request_id: str
    model: str = ""
    points: int = 0


_CALL: ContextVar[Call] = ContextVar("ligserve_call")


def current_call() -> Call:
    """The call that the current task serves; every call has one, by the request id interceptor."""
    return _CALL.get()


def begin_call(call: Call) -> None:
    """Make a call the current one for the rest of this task."""
    _CALL.set(call)
