"""The choices of the interface, as enums whose values are the words a caller writes."""

from collections.abc import Iterable
from enum import StrEnum
from typing import TypeVar

E = TypeVar("E", bound=StrEnum)


class Convention(StrEnum):
    """Whose habits an answer follows."""

    FAITHFUL = "faithful"
    LIBRARY = "library"


class OutputSpace(StrEnum):
    """The function of the logits that is explained."""

    PROBABILITY = "probability"
    LOG_ODDS = "log_odds"
    LOGIT = "logit"


class EmbeddingLayer(StrEnum):
    """The layer whose output the path moves."""

    WORD = "word"
    POSITION = "position"
    ALL = "all"


class Accuracy(StrEnum):
    """How exact an answer is, by name; `tolerance` is the number."""

    FAST = "fast"
    STANDARD = "standard"
    EXACT = "exact"

    @property
    def tolerance(self) -> float:
        """Allowed error relative to max(|f(input) - f(baseline)|, sum of |scores|): 5 %, 1 % or 0.1 %."""
        return {Accuracy.FAST: 0.05, Accuracy.STANDARD: 0.01, Accuracy.EXACT: 0.001}[self]


class Precision(StrEnum):
    """The arithmetic of the passes along a path."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"
    TF32 = "tf32"


class QuadratureRule(StrEnum):
    """A quadrature rule with a fixed number of nodes."""

    GAUSS_LEGENDRE = "gauss_legendre"
    MIDPOINT = "midpoint"


class BaselineKind(StrEnum):
    """Where a path starts."""

    PAD_TOKEN = "pad_token"
    MASK_TOKEN = "mask_token"
    UNKNOWN_TOKEN = "unknown_token"
    ZERO_EMBEDDING = "zero_embedding"


class LongInputPolicy(StrEnum):
    """What to do with a text that is longer than the model takes."""

    REFUSE = "refuse"
    WINDOW = "window"
    TRUNCATE = "truncate"


class Aggregate(StrEnum):
    """How a long document's output follows from its windows'."""

    MEAN = "mean"
    TOKEN_WEIGHTED_MEAN = "token_weighted_mean"
    MAX = "max"
    MEAN_LOGITS = "mean_logits"


class Level(StrEnum):
    """Parts of a text that scores are summed over."""

    TOKEN = "token"
    WORD = "word"
    SENTENCE = "sentence"
    PARAGRAPH = "paragraph"


class NoiseKind(StrEnum):
    """How noisy copies of an image are combined."""

    SMOOTHGRAD = "smoothgrad"
    SMOOTHGRAD_SQ = "smoothgrad_sq"
    VARGRAD = "vargrad"


class StopReason(StrEnum):
    """Why the work on a target ended; UNSPECIFIED also stands for reasons newer than this client."""

    UNSPECIFIED = "unspecified"
    TOLERANCE = "tolerance"
    STEPS = "steps"
    MAX_POINTS = "max_points"
    DEADLINE = "deadline"
    NOISE_FLOOR = "noise_floor"


class AnswerEnd(StrEnum):
    """An end of an answer, for question answering."""

    UNSPECIFIED = "unspecified"
    START = "start"
    END = "end"


class Combine(StrEnum):
    """Which tokens decide for a word or an entity, for token classification."""

    FIRST = "first"
    MAX = "max"
    SUM = "sum"


def choice(kind: type[E], value: str, option: str) -> E:
    """The member that a caller's word names.

    Raises:
        ValueError: no member has that value.
    """
    try:
        return kind(value)
    except ValueError:
        known = ", ".join(kind)
        raise ValueError(f"{option} must be one of {known}; got {value!r}") from None


def from_number(names: Iterable[tuple[str, int]], prefix: str, number: int, default: E) -> E:
    """The member for a number from the wire, or the default where this client does not know it."""
    found = {known: name for name, known in names}.get(number, "")
    return type(default).__members__.get(found.removeprefix(prefix), default)
