"""What is explained, and the explanation of one target."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ligserve.client.types.enums import AnswerEnd, OutputSpace, StopReason, from_number
from ligserve.v1 import explanation_pb2 as pb
from ligserve.v1 import explanation_service_pb2 as service_pb


@dataclass(frozen=True, slots=True)
class Target:
    """One scalar function of the model's output.

    Attributes:
        label: the class that is explained.
        class_index: its position.
        versus_label: the class it is compared with; None: none.
        versus_index: its position.
        output_space: the function of the logits.
        answer_end: which end of an answer, for question answering.
        token: position of the token whose label is explained, for token classification; among the
            explanation's tokens.
        window: the only window that it is about, or the first of `window_count`, for zero-shot
            classification, and of a long text for its largest window and for token classification; None: all
            windows.
        runner_up_gap: for the largest window, by how much the next largest one's output is less.
        candidate: for zero-shot classification of a long text, the label whose windows alone it is about.
        window_count: how many windows it is about from `window` on, where that is told; more than 1 where
            labels compete for the largest window.
    """

    label: str
    class_index: int
    versus_label: str | None = None
    versus_index: int | None = None
    output_space: OutputSpace = OutputSpace.PROBABILITY
    answer_end: AnswerEnd = AnswerEnd.UNSPECIFIED
    token: int | None = None
    window: int | None = None
    runner_up_gap: float | None = None
    candidate: int | None = None
    window_count: int = 1

    @property
    def windows(self) -> range | None:
        """The windows that it is about; None: all, or all of its `candidate`."""
        return None if self.window is None else range(self.window, self.window + self.window_count)

    @classmethod
    def from_proto(cls, message: service_pb.Target) -> "Target":
        """Read a message."""
        spaces, ends = pb.OutputSpace.items(), service_pb.AnswerEnd.items()
        return cls(
            label=message.class_label,
            class_index=message.class_index,
            versus_label=message.versus_label if message.HasField("versus_label") else None,
            versus_index=message.versus_index if message.HasField("versus_index") else None,
            output_space=from_number(spaces, "OUTPUT_SPACE_", message.output_space, OutputSpace.PROBABILITY),
            answer_end=from_number(ends, "ANSWER_END_", message.answer_end, AnswerEnd.UNSPECIFIED),
            token=message.token if message.HasField("token") else None,
            window=message.window if message.HasField("window") else None,
            runner_up_gap=message.runner_up_gap if message.HasField("runner_up_gap") else None,
            candidate=message.candidate if message.HasField("candidate") else None,
            window_count=message.window_count if message.HasField("window_count") else 1,
        )

    def __str__(self) -> str:
        if self.answer_end is not AnswerEnd.UNSPECIFIED:
            return f"{self.answer_end} of the answer"
        label = self.label if self.versus_label is None else f"{self.label} rather than {self.versus_label}"
        return label if self.token is None else f"{label} of token {self.token}"


@dataclass(frozen=True, slots=True)
class TargetSummary:
    """What was reached for one target; fields as in `TargetExplanation`."""

    f_input: float
    f_baseline: float
    score_sum: float
    convergence_delta: float
    error_bound: float
    score_error_sum: float | None
    stop_reason: StopReason
    points: int
    unexplained: float = 0.0

    @classmethod
    def from_proto(cls, message: service_pb.TargetSummary) -> "TargetSummary":
        """Read a message."""
        reasons = service_pb.StopReason.items()
        return cls(
            f_input=message.f_input,
            f_baseline=message.f_baseline,
            score_sum=message.score_sum,
            convergence_delta=message.convergence_delta
            if message.HasField("convergence_delta")
            else math.nan,
            error_bound=message.error_bound if message.HasField("error_bound") else math.nan,
            score_error_sum=message.score_error_sum if message.HasField("score_error_sum") else None,
            stop_reason=from_number(reasons, "STOP_REASON_", message.stop_reason, StopReason.UNSPECIFIED),
            points=message.points,
            unexplained=message.unexplained,
        )


@dataclass(frozen=True, slots=True)
class TargetExplanation:
    """How much each token contributed to one target.

    Attributes:
        target: what is explained.
        scores: one per token that the target is about (`Explanation.tokens_of`) or pixel value, in units of
            the target's output space; they add up to about f_input - f_baseline, but for squares and
            variances of a noise tunnel.
        score_errors: estimated quadrature error of each score, plus or minus; empty where the rule gives
            none.
        f_input: the target's output for the input; with a noise tunnel the mean over its copies. NaN while
            the explanation is unfinished.
        f_baseline: the target's output for the baseline; NaN likewise.
        score_sum: sum of the scores, as the server adds them.
        convergence_delta: score_sum - (f_input - f_baseline), the true completeness error; NaN where scores
            do not add up.
        error_bound: bound on |convergence_delta|; NaN where that is.
        score_error_sum: estimated sum of the scores' errors; None where the rule gives none.
        stop_reason: why the work ended.
        points: forward and backward passes of one row each.
        unexplained: for a long text, how much of f_input - f_baseline is in windows without scores, which the
            deadline left out or which are not finished; 0: in none. NaN: not known.
    """

    target: Target
    scores: tuple[float, ...]
    score_errors: tuple[float, ...]
    f_input: float
    f_baseline: float
    score_sum: float
    convergence_delta: float
    error_bound: float
    score_error_sum: float | None
    stop_reason: StopReason
    points: int
    unexplained: float = 0.0

    @property
    def label(self) -> str:
        """The class that is explained."""
        return self.target.label

    @property
    def class_index(self) -> int:
        """Position of the class that is explained."""
        return self.target.class_index

    @property
    def normalised_scores(self) -> tuple[float, ...]:
        """The scores divided by their L2 norm, as transformers-interpret gives them."""
        return normalised(self.scores)


def target_names(targets: Sequence[TargetExplanation]) -> list[str]:
    """The targets in words, each with its output space where these differ."""
    differ = _spaces_differ(targets)
    return [_name(each.target, with_space=differ) for each in targets]


def target_name(targets: Sequence[TargetExplanation], position: int) -> str:
    """One of them."""
    return _name(targets[position].target, with_space=_spaces_differ(targets))


def _spaces_differ(targets: Sequence[TargetExplanation]) -> bool:
    return len({each.target.output_space for each in targets}) > 1


def _name(target: Target, *, with_space: bool) -> str:
    return f"{target} ({target.output_space.replace('_', '-')})" if with_space else str(target)


def normalised(scores: Sequence[float]) -> tuple[float, ...]:
    """Scores divided by their L2 norm; zeros stay zeros."""
    norm = math.hypot(*scores)
    return tuple(score / norm for score in scores) if norm else tuple(scores)
