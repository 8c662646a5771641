"""One target of a path, as the engine, the header and the warnings know it."""

from dataclasses import dataclass

from ligserve.server.workers.engine.outputs import Output
from ligserve.v1 import explanation_service_pb2


@dataclass(frozen=True)
class Explained:
    """One target of a path.

    Attributes:
        output: the function of the logits.
        target: how the header shows it.
        about: how warnings call it.
    """

    output: Output
    target: explanation_service_pb2.Target
    about: str
