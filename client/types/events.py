"""The events of a stream, in the order in which they come."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

from ligserve.client.types.cost import Cost, Worker
from ligserve.client.types.document import Document, DocumentWindow, candidates_of, is_document
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
from ligserve.client.types.token_predictions import TokenPredictions
from ligserve.v1 import explanation_pb2 as pb
from ligserve.v1 import explanation_service_pb2 as service_pb


@dataclass(frozen=True, slots=True)
class HeaderEvent:
    """What is known before the first gradient; fields as in `Explanation`.

    Attributes:
        document: how the windows of a long text lie in it; None if it was not long.
    """

    request_id: str
    model: str
    revision: str
    convention: Convention
    prediction: Prediction | None
    tokens: tuple[Token, ...]
    targets: tuple[Target, ...]
    warnings: tuple[ServerWarning, ...]
    token_predictions: Sequence[Prediction]
    answer: Answer | None
    image_shape: ImageShape | None
    hypotheses: tuple[str, ...] = ()
    truncated_tokens: int = 0
    document: Document | None = None
    pixel_values: tuple[float, ...] = ()
    path_predictions: Sequence[Prediction] = ()

    @classmethod
    def from_proto(cls, message: service_pb.Header) -> "HeaderEvent":
        """Read a message.

        Raises:
            ValueError: the tokens' columns differ in length, or windows do not follow each other.
        """
        convention = from_number(
            pb.Convention.items(), "CONVENTION_", message.convention, Convention.FAITHFUL
        )
        shape = message.image_shape
        document = Document.from_proto(message) if is_document(message) else None
        return cls(
            request_id=message.request_id,
            model=message.model,
            revision=message.revision,
            convention=convention,
            prediction=Prediction.from_proto(message.prediction) if message.HasField("prediction") else None,
            tokens=document.tokens if document else _tokens(message),
            targets=tuple(map(Target.from_proto, message.targets)),
            warnings=tuple(map(ServerWarning.from_proto, message.warnings)),
            token_predictions=TokenPredictions.from_proto(
                message.labels, ((window.first_token, window.token_predictions) for window in message.windows)
            ),
            answer=_answer(message, document),
            image_shape=ImageShape.from_proto(shape) if message.HasField("image_shape") else None,
            hypotheses=_hypotheses(message),
            truncated_tokens=message.truncated_tokens,
            document=document,
            pixel_values=tuple(message.pixel_values),
            path_predictions=TokenPredictions.from_proto(
                message.labels, ((window.first_token, window.path_predictions) for window in message.windows)
            ),
        )

    @property
    def windows(self) -> tuple[DocumentWindow, ...]:
        """The windows of a long text, without scores; none if it was not long."""
        return self.document.windows if self.document else ()


def _answer(message: service_pb.Header, document: Document | None) -> Answer | None:
    if not message.HasField("answer"):
        return None
    answer = Answer.from_proto(message.answer)
    return document.placed(answer) if document else answer


def _hypotheses(message: service_pb.Header) -> tuple[str, ...]:
    """Those of the labels; the windows of a long text repeat them."""
    told = (w.hypothesis for w in message.windows if w.HasField("hypothesis"))
    return tuple(islice(told, candidates_of(message)) if is_document(message) else told)


def _tokens(message: service_pb.Header) -> tuple[Token, ...]:
    return tuple(token for window in message.windows for token in tokens_from_proto(window))


@dataclass(frozen=True, slots=True)
class EstimateEvent:
    """The scores of one target in one window, so far or final.

    Attributes:
        target: position of the target in the header.
        window: position of the window; 0 unless the input was long.
        scores: one per token of the window (or pixel value), in units of the target's output space; of a long
            text, `Document.places` tells where in the document they belong, to be added there.
        score_errors: estimated error of each score; empty where the rule gives none.
        error_bound: bound on |sum of all scores - (f(input) - f(baseline))|, of a long text in this window
            (in all of them where they move together); NaN where they do not add up.
        points: points used so far.
        round: round of refinement, from 1.
        final: whether these scores will not change any more.
        preview: whether they are gradient x (input - baseline) at the input: they tell which tokens matter,
            but do not add up.
    """

    target: int
    window: int
    scores: tuple[float, ...]
    score_errors: tuple[float, ...]
    error_bound: float
    points: int
    round: int
    final: bool
    preview: bool = False


@dataclass(frozen=True, slots=True)
class ProgressEvent:
    """How far the work is: points done and planned so far, and the place in the queue (0: started).

    Attributes:
        points_done: points done.
        points_planned: points planned so far.
        queue_position: place in the queue; 0: started.
        windows: windows of a long text; 0 until they are known.
        windows_predicted: how many of them have an output that is known.
        windows_done: how many of them have final scores.
        unexplained: for each target, how much of f_input - f_baseline is in windows without final scores;
            all of it, until the last of them is, where windows move together ("mean_logits").
    """

    points_done: int
    points_planned: int
    queue_position: int
    windows: int = 0
    windows_predicted: int = 0
    windows_done: int = 0
    unexplained: tuple[float, ...] = ()

    @classmethod
    def from_proto(cls, message: service_pb.Progress) -> "ProgressEvent":
        """Read a message."""
        return cls(
            points_done=message.points_done,
            points_planned=message.points_planned,
            queue_position=message.queue_position,
            windows=message.windows,
            windows_predicted=message.windows_predicted,
            windows_done=message.windows_done,
            unexplained=tuple(message.unexplained),
        )


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
