"""Who a worker is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WorkerIdentity:
    """Who computed an answer, for its summary."""

    worker_id: str
    device: str
