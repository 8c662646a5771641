"""One request on its way through the queue and a worker."""

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from ligserve.internal.v1 import frames_pb2
from ligserve.server.pool.events import EventBuffer
from ligserve.server.pool.forecast import ForecastSlot
from ligserve.server.pool.long_requests import is_long
from ligserve.v1 import explanation_service_pb2 as service_pb


@dataclass(eq=False, slots=True, kw_only=True)
class Job(ABC):
    """A request, and what becomes of it."""

    request_id: str
    request: service_pb.ExplainRequest
    # On time.monotonic's clock.
    deadline: float
    # Seconds, where the server's own limit on a request's time sets the deadline; None: the caller does.
    time_limit: float | None = None
    submitted_at: float = field(default_factory=time.monotonic)
    # Whether it may need many windows, and so wait longer for a place.
    long: bool = field(init=False)

    def __post_init__(self) -> None:
        """Look at its texts once."""
        self.long = is_long(self.request)

    @property
    def seconds_left(self) -> float:
        """Seconds until the deadline, at least 0."""
        return max(0.0, self.deadline - time.monotonic())

    @property
    @abstractmethod
    def computes(self) -> bool:
        """Whether a worker's device has work to do for it."""

    @property
    @abstractmethod
    def succeeded(self) -> bool:
        """Whether the last word of the answer has come."""

    @abstractmethod
    def order(self) -> frames_pb2.RunJob:
        """What a worker is told, with the time that is left now."""

    @abstractmethod
    def take(self, said: frames_pb2.JobEvent, queue_time_s: float) -> None:
        """Take what the worker says, after so many seconds in the queue."""

    @abstractmethod
    def fail(self, error: Exception) -> None:
        """End with an error, unless it has ended."""


@dataclass(eq=False, slots=True, kw_only=True)
class ExplainJob(Job):
    """A request to explain, what its caller wants of it, and its events."""

    partial_estimates: bool
    # Seconds.
    estimate_interval: float
    preview: bool = False
    events: EventBuffer = field(default_factory=EventBuffer)

    @property
    def computes(self) -> bool:
        """It does."""
        return True

    @property
    def succeeded(self) -> bool:
        """Whether the summary has come."""
        return self.events.succeeded

    def order(self) -> frames_pb2.RunJob:
        """What a worker is told, with the time that is left now."""
        return frames_pb2.RunJob(
            request_id=self.request_id,
            request=self.request,
            seconds_left=self.seconds_left,
            partial_estimates=self.partial_estimates,
            estimate_interval=self.estimate_interval,
            preview=self.preview,
            time_limit=self.time_limit,
        )

    def take(self, said: frames_pb2.JobEvent, queue_time_s: float) -> None:
        """Take an event."""
        event = said.event
        if event.HasField("summary"):
            event.summary.cost.queue_time.FromNanoseconds(round(queue_time_s * 1e9))
        self.events.put(event)

    def fail(self, error: Exception) -> None:
        """End with an error, unless it has ended."""
        self.events.fail(error)


@dataclass(eq=False, slots=True, kw_only=True)
class ForecastJob(Job):
    """A request whose cost is asked for; nothing is computed."""

    forecast: ForecastSlot = field(default_factory=ForecastSlot)

    @property
    def computes(self) -> bool:
        """It does not."""
        return False

    @property
    def succeeded(self) -> bool:
        """Whether the forecast has come."""
        return self.forecast.succeeded

    def order(self) -> frames_pb2.RunJob:
        """What a worker is told, with the time that is left now."""
        return frames_pb2.RunJob(
            request_id=self.request_id,
            request=self.request,
            seconds_left=self.seconds_left,
            only_forecast=True,
        )

    def take(self, said: frames_pb2.JobEvent, queue_time_s: float) -> None:
        """Take the forecast."""
        self.forecast.put(said.forecast)

    def fail(self, error: Exception) -> None:
        """End with an error, unless it has ended."""
        self.forecast.fail(error)
