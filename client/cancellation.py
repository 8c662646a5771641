"""Tells the cancellation of a call from the cancellation of the task that awaits it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from ligserve.client.errors import CallCancelledError


@contextmanager
def explain_cancellation() -> Iterator[None]:
    """Raise CallCancelledError where the call was cancelled, but not the task.

    grpc.aio raises asyncio.CancelledError for both. A task that sees it without having been cancelled would
    look cancelled to its task group, and the error would be lost.
    """
    try:
        yield
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise CallCancelledError("the call was cancelled: its stream or its client was closed") from error
