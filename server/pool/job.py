"""One request on its way through the queue and a worker."""

import time
from dataclasses import dataclass, field

from ligserve.internal.v1 import frames_pb2
from ligserve.server.pool.events import EventBuffer
from ligserve.v1 import explanation_service_pb2 as service_pb


@dataclass(eq=False, slots=True, kw_only=True)
class Job:
    """A request, what its caller wants of it, and its events."""

    request_id: str
    request: service_pb.ExplainRequest
    # On time.monotonic's clock.
    deadline: float
    partial_estimates: bool
    # Seconds.
    estimate_interval: float
    preview: bool = False
    events: EventBuffer = field(default_factory=EventBuffer)
    submitted_at: float = field(default_factory=time.monotonic)

    @property
    def seconds_left(self) -> float:
        """Seconds until the deadline, at least 0."""
        return max(0.0, self.deadline - time.monotonic())

    def order(self) -> frames_pb2.RunJob:
        """What a worker is told, with the time that is left now."""
        return frames_pb2.RunJob(
            request_id=self.request_id,
            request=self.request,
            seconds_left=self.seconds_left,
            partial_estimates=self.partial_estimates,
            estimate_interval=self.estimate_interval,
            preview=self.preview,
        )
