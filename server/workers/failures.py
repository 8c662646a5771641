"""What went wrong in a worker, as an error that a caller may see."""

import uuid

from ligserve.server.errors import InternalError, ResourceExhaustedError, ServeError
from ligserve.server.logs import logger

_log = logger("ligserve.worker")
# torch raises plain RuntimeErrors when the CPU's memory is gone, and when a GPU's is for its libraries.
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "status_alloc_failed")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the device's or the machine's memory did not suffice."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(phrase in text for phrase in _OUT_OF_MEMORY)


def as_serve_error(error: BaseException, request_id: str) -> ServeError:
    """A ServeError as it is; out of memory by its name; anything else logged, with an id for the caller."""
    if isinstance(error, ServeError):
        return error
    if is_out_of_memory(error):
        _log.warning("out_of_memory", request_id=request_id, error=str(error))
        return ResourceExhaustedError(
            "the worker's memory does not hold one row of this input; send a shorter one",
            reason="OUT_OF_MEMORY",
        )
    error_id = uuid.uuid4().hex[:12]
    _log.error("job_failed", request_id=request_id, error_id=error_id, exc_info=error)
    return InternalError(error_id)
