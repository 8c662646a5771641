"""How to explain: one list of options for every client, sync and async."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Literal, TypeAlias, TypedDict

from ligserve.client.quantities import check_number, check_whole
from ligserve.client.types.enums import (
    Accuracy,
    Aggregate,
    BaselineKind,
    Convention,
    EmbeddingLayer,
    LongInputPolicy,
    OutputSpace,
    Precision,
    QuadratureRule,
    choice,
)


class Unset(Enum):
    """The type of a value that was not given, where None has a meaning of its own."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET
# gRPC's own arithmetic fails far above; no deadline at all is what is meant by then.
LONGEST_TIMEOUT_S: Final = 365 * 24 * 3600
Timeout: TypeAlias = float | Literal[Unset.UNSET] | None
Metadata: TypeAlias = Mapping[str, str | bytes] | Sequence[tuple[str, str | bytes]]


@dataclass(frozen=True, slots=True)
class ReferenceText:
    """A baseline that is another text, cut or padded to the input's number of tokens."""

    text: str


@dataclass(frozen=True, slots=True)
class Window:
    """Explains a long text in overlapping windows.

    Attributes:
        stride: tokens from one window's start to the next one's; None: the server's default.
        aggregate: how the document's output follows from the windows': "mean", "token_weighted_mean", "max"
            or "mean_logits".

    Raises:
        ValueError: there is no such aggregate.
    """

    stride: int | None = None
    aggregate: Aggregate | str = Aggregate.MEAN

    def __post_init__(self) -> None:
        object.__setattr__(self, "aggregate", choice(Aggregate, self.aggregate, "aggregate"))


BaselineLike: TypeAlias = BaselineKind | ReferenceText | str
LongInputLike: TypeAlias = LongInputPolicy | Window | str


class ExplainKeywords(TypedDict, total=False):
    """The keyword arguments of explain(), stream() and estimate_cost(); `ExplainOptions` documents them."""

    convention: Convention | str | None
    accuracy: Accuracy | str | None
    tolerance: float | None
    n_steps: int | None
    rule: QuadratureRule | str | None
    max_points: int | None
    output_space: OutputSpace | str | None
    embedding_layer: EmbeddingLayer | str | None
    baseline: BaselineLike | Iterable[BaselineLike] | None
    long_input: LongInputLike | None
    retargetable: bool
    precision: Precision | str | None
    timeout: Timeout
    metadata: Metadata
    request_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainOptions:
    """How to explain. None leaves a choice to the server.

    Attributes:
        convention: "faithful" (the deployed model's own forward pass) or "library" (the numbers of
            transformers-interpret).
        accuracy: a named tolerance: "fast" (5 %), "standard" (1 %) or "exact" (0.1 %).
        tolerance: allowed error relative to max(|f(input) - f(baseline)|, sum of |scores|).
        n_steps: a fixed number of quadrature nodes, in place of a tolerance.
        rule: "gauss_legendre" or "midpoint"; with n_steps.
        max_points: most points for a path; with a tolerance, or with the server's default one.
        output_space: "probability", "log_odds" or "logit", for targets that name none of their own.
        embedding_layer: "word", "position" or "all".
        baseline: "pad_token", "mask_token", "unknown_token", "zero_embedding" or a `ReferenceText`; the
            scores of several are averaged.
        long_input: what to do with a text that is longer than the model takes: "refuse", "truncate",
            "window" or a `Window`.
        retargetable: work out what every class's scores follow from, so that a later request about the same
            input for another class, contrast or output space costs nothing; for classifiers of texts and
            pairs with at most 8 classes, each a backward pass at every point.
        precision: arithmetic of the passes along the path: "float32", or where the model takes it "bfloat16",
            "float16" or "tf32", which are faster and leave errors of up to 2 % (bfloat16) in the scores.
        timeout: seconds; not given: the client's default; None: no deadline.
        metadata: sent with the call, after the client's own.
        request_id: identifies the request in the server's log; made up if not given.

    Raises:
        TypeError: a number or a truth value is of the wrong type.
        ValueError: a value is unknown, or more than one of accuracy, tolerance and n_steps is given.
    """

    convention: Convention | str | None = None
    accuracy: Accuracy | str | None = None
    tolerance: float | None = None
    n_steps: int | None = None
    rule: QuadratureRule | str | None = None
    max_points: int | None = None
    output_space: OutputSpace | str | None = None
    embedding_layer: EmbeddingLayer | str | None = None
    baseline: BaselineLike | Iterable[BaselineLike] | None = None
    long_input: LongInputLike | None = None
    retargetable: bool = False
    precision: Precision | str | None = None
    timeout: Timeout = UNSET
    metadata: Metadata = field(default=())
    request_id: str | None = None

    def __post_init__(self) -> None:
        if self.fixed and self.adaptive:
            raise ValueError(
                "give either n_steps (with a rule) or tolerance or accuracy (with max_points), not both"
            )
        check_timeout(self.timeout)
        self._check_accuracy()
        kinds = {
            "convention": Convention,
            "accuracy": Accuracy,
            "rule": QuadratureRule,
            "output_space": OutputSpace,
            "embedding_layer": EmbeddingLayer,
            "precision": Precision,
        }
        if not isinstance(self.retargetable, bool):
            raise TypeError(f"retargetable must be True or False, is {self.retargetable!r}")
        for name, kind in kinds.items():
            if (value := getattr(self, name)) is not None:
                object.__setattr__(self, name, choice(kind, value, name))
        object.__setattr__(self, "baseline", _baselines(self.baseline))
        object.__setattr__(self, "long_input", _long_input(self.long_input))

    def _check_accuracy(self) -> None:
        if self.tolerance is not None and self.accuracy is not None:
            raise ValueError("give either a tolerance or an accuracy, not both")
        if self.tolerance is not None:
            check_number("tolerance", self.tolerance)
        for name in ("n_steps", "max_points"):
            if (value := getattr(self, name)) is not None:
                check_whole(name, value)

    @property
    def fixed(self) -> bool:
        """Whether a fixed number of nodes is asked for."""
        return self.n_steps is not None or self.rule is not None

    @property
    def adaptive(self) -> bool:
        """Whether a tolerance is asked for."""
        return any(value is not None for value in (self.tolerance, self.accuracy, self.max_points))


def check_timeout(timeout: Timeout) -> None:
    """Refuse a timeout that no call can meet.

    Raises:
        TypeError: it is not a number.
        ValueError: it is not above 0, or above a year.
    """
    if timeout is None or timeout is UNSET:
        return
    check_number("timeout", timeout)
    # Written so that it refuses NaN too.
    if not 0 < timeout <= LONGEST_TIMEOUT_S:
        raise ValueError(
            f"timeout must be a number of seconds above 0 and at most {LONGEST_TIMEOUT_S} (a year), "
            f"or None for no deadline; got {timeout}"
        )


def _baselines(given: BaselineLike | Iterable[BaselineLike] | None) -> tuple[BaselineLike, ...]:
    if given is None:
        return ()
    several = (given,) if isinstance(given, str | ReferenceText) else tuple(given)
    return tuple(b if isinstance(b, ReferenceText) else choice(BaselineKind, b, "baseline") for b in several)


def _long_input(given: LongInputLike | None) -> LongInputPolicy | Window | None:
    if given is None or isinstance(given, Window):
        return given
    policy = choice(LongInputPolicy, given, "long_input")
    return Window() if policy is LongInputPolicy.WINDOW else policy
