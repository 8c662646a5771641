"""What a request would cost, told before it is run."""

from dataclasses import dataclass

from ligserve.client.types.cost import seconds_of
from ligserve.client.types.plain import to_plain
from ligserve.v1 import explanation_service_pb2 as service_pb


@dataclass(frozen=True, slots=True)
class ExpectedCost:
    """A cost that is expected, or the most that it can be; compare `Cost`.

    Attributes:
        points: rows that are run forward and backward.
        gradients: backward passes of one row each.
        rows: rows that go through the model, forward-only ones included.
        tokens: tokens in those rows.
        token_passes: tokens times passes, forward and backward: what the server's limit counts.
        compute_seconds: time in the worker, if it had nothing else to do; None: not known yet.
        queue_seconds: time in the queue and in which others have their turns; None: not known.
    """

    points: int
    gradients: int
    rows: int
    tokens: int
    token_passes: int
    compute_seconds: float | None
    queue_seconds: float | None

    @property
    def seconds(self) -> float | None:
        """Seconds until the answer would be there; None: not known."""
        if self.compute_seconds is None or self.queue_seconds is None:
            return None
        return self.compute_seconds + self.queue_seconds

    @classmethod
    def from_proto(cls, message: service_pb.Cost) -> "ExpectedCost":
        """Read a message."""
        return cls(
            points=message.points,
            gradients=message.gradients,
            rows=message.rows,
            tokens=message.tokens,
            token_passes=message.token_passes,
            compute_seconds=seconds_of(message.compute_time) if message.HasField("compute_time") else None,
            queue_seconds=seconds_of(message.queue_time) if message.HasField("queue_time") else None,
        )


@dataclass(frozen=True, slots=True)
class CostEstimate:
    """What a request would cost.

    Attributes:
        windows: windows of the answer; 1 unless the text is long or has candidate labels.
        targets: targets of the answer.
        targets_may_be_fewer: whether some may be left out once tokens are predicted.
        expected: what it is expected to cost.
        maximum: what it costs at most.
        learnt_from: recent requests that the expected points were corrected by; 0: documented figures alone.
        judged_token_passes: what the server holds against its limit.
        max_token_passes: the server's limit; None: there is none.
    """

    windows: int
    targets: int
    targets_may_be_fewer: bool
    expected: ExpectedCost
    maximum: ExpectedCost
    learnt_from: int
    judged_token_passes: int
    max_token_passes: int | None

    @property
    def above_limit(self) -> bool:
        """Whether the server would refuse the request for its cost."""
        return self.max_token_passes is not None and self.judged_token_passes > self.max_token_passes

    @classmethod
    def from_proto(cls, message: service_pb.EstimateCostResponse) -> "CostEstimate":
        """Read a message."""
        return cls(
            windows=message.windows,
            targets=message.targets,
            targets_may_be_fewer=message.targets_may_be_fewer,
            expected=ExpectedCost.from_proto(message.expected),
            maximum=ExpectedCost.from_proto(message.maximum),
            learnt_from=message.learnt_from,
            judged_token_passes=message.judged_token_passes,
            max_token_passes=message.max_token_passes or None,
        )

    def to_dict(self) -> dict[str, object]:
        """The estimate as a dict that JSON can carry."""
        return {name: to_plain(getattr(self, name)) for name in self.__slots__}
