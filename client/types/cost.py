"""What an answer cost, and who computed it."""

from dataclasses import dataclass

from google.protobuf.duration_pb2 import Duration

from ligserve.v1 import explanation_service_pb2 as service_pb


@dataclass(frozen=True, slots=True)
class Cost:
    """What an answer cost.

    Attributes:
        points: rows that were run forward and, for each target that needed it, backward.
        reused_points: points that were known from an earlier request about the same input; not in points.
        gradients: backward passes of one row each.
        rows: rows that went through the model, forward-only ones included.
        tokens: tokens in those rows, without padding.
        token_passes: tokens times passes, forward and backward.
        batches: batches that held at least one of the rows.
        queue_seconds: time in the server's queue.
        compute_seconds: time from the worker's start on the request to its end.
    """

    points: int
    reused_points: int
    gradients: int
    rows: int
    tokens: int
    token_passes: int
    batches: int
    queue_seconds: float
    compute_seconds: float

    @classmethod
    def from_proto(cls, message: service_pb.Cost) -> "Cost":
        """Read a message."""
        return cls(
            points=message.points,
            reused_points=message.reused_points,
            gradients=message.gradients,
            rows=message.rows,
            tokens=message.tokens,
            token_passes=message.token_passes,
            batches=message.batches,
            queue_seconds=seconds_of(message.queue_time),
            compute_seconds=seconds_of(message.compute_time),
        )


@dataclass(frozen=True, slots=True)
class Worker:
    """The worker that computed an answer: its name, device ("cuda:0") and arithmetic ("float32")."""

    id: str
    device: str
    dtype: str

    @classmethod
    def from_proto(cls, message: service_pb.WorkerInfo) -> "Worker":
        """Read a message."""
        return cls(message.id, message.device, message.dtype)


def seconds_of(duration: Duration) -> float:
    """Seconds of a duration."""
    return duration.ToNanoseconds() / 1e9
