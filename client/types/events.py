"""The events of a stream, in the order in which they come."""

from dataclasses import dataclass
from typing import TypeAlias

from ligserve.client.types.cost import Cost, Worker
from ligserve.client.types.enums import Convention, from_number
from ligserve.client.types.inputs import (
    Answer,
    ImageShape,
    Prediction,
    ServerWarning,
    Token,
    tokens_from_proto,
)
from ligserve.client.types.targets import Target, TargetSummary
from ligserve.v1 import explanation_pb2 as pb
from ligserve.v1 import explanation_service_pb2 as service_pb


@dataclass(frozen=True, slots=True)
class HeaderEvent:
    """What is known before the first gradient; fields as in `Explanation`."""

    request_id: str
    model: str
    revision: str
    convention: Convention
    prediction: Prediction | None
    tokens: tuple[Token, ...]
    targets: tuple[Target, ...]
    warnings: tuple[ServerWarning, ...]
    token_predictions: tuple[Prediction, ...]
    answer: Answer | None
    image_shape: ImageShape | None
    hypotheses: tuple[str, ...] = ()

    @classmethod
    def from_proto(cls, message: service_pb.Header) -> "HeaderEvent":
        """Read a message.

        Raises:
            ValueError: the tokens' columns differ in length.
        """
        convention = from_number(
            pb.Convention.items(), "CONVENTION_", message.convention, Convention.FAITHFUL
        )
        shape = message.image_shape
        return cls(
            request_id=message.request_id,
            model=message.model,
            revision=message.revision,
            convention=convention,
            prediction=Prediction.from_proto(message.prediction) if message.HasField("prediction") else None,
            tokens=tuple(token for window in message.windows for token in tokens_from_proto(window)),
            targets=tuple(map(Target.from_proto, message.targets)),
            warnings=tuple(map(ServerWarning.from_proto, message.warnings)),
            token_predictions=tuple(map(Prediction.from_proto, message.token_predictions)),
            answer=Answer.from_proto(message.answer) if message.HasField("answer") else None,
            image_shape=ImageShape.from_proto(shape) if message.HasField("image_shape") else None,
            hypotheses=tuple(w.hypothesis for w in message.windows if w.HasField("hypothesis")),
        )


@dataclass(frozen=True, slots=True)
class EstimateEvent:
    """The scores of one target in one window, so far or final.

    Attributes:
        target: position of the target in the header.
        window: position of the window; 0 unless the input was long.
        scores: one per token of the window, in units of the target's output space.
        score_errors: estimated error of each score; empty where the rule gives none.
        error_bound: bound on |sum of all scores - (f(input) - f(baseline))|.
        points: points used so far.
        round: round of refinement, from 1.
        final: whether these scores will not change any more.
    """

    target: int
    window: int
    scores: tuple[float, ...]
    score_errors: tuple[float, ...]
    error_bound: float
    points: int
    round: int
    final: bool


@dataclass(frozen=True, slots=True)
class ProgressEvent:
    """How far the work is: points done and planned so far, and the place in the queue (0: started)."""

    points_done: int
    points_planned: int
    queue_position: int

    @classmethod
    def from_proto(cls, message: service_pb.Progress) -> "ProgressEvent":
        """Read a message."""
        return cls(message.points_done, message.points_planned, message.queue_position)


@dataclass(frozen=True, slots=True)
class SummaryEvent:
    """What was reached, and what it cost; the last event."""

    targets: tuple[TargetSummary, ...]
    cost: Cost
    worker: Worker
    versions: dict[str, str]
    warnings: tuple[ServerWarning, ...]

    @classmethod
    def from_proto(cls, message: service_pb.Summary) -> "SummaryEvent":
        """Read a message; summaries of targets are put in the header's order."""
        ordered = sorted(message.targets, key=lambda summary: summary.target)
        return cls(
            targets=tuple(map(TargetSummary.from_proto, ordered)),
            cost=Cost.from_proto(message.cost),
            worker=Worker.from_proto(message.worker),
            versions=dict(sorted(message.versions.items())),
            warnings=tuple(map(ServerWarning.from_proto, message.warnings)),
        )


Event: TypeAlias = HeaderEvent | EstimateEvent | ProgressEvent | SummaryEvent
