"""What an explainer makes of a request before the engine starts."""

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from ligserve.server.workers.engine.outputs import Output
from ligserve.server.workers.engine.spec import PathSpec
from ligserve.server.workers.explainers.plans.document_outcome import Outcome, OutcomeSteps, WindowLogits
from ligserve.server.workers.explainers.plans.explained import Explained
from ligserve.server.workers.models.loaded import LoadedModel
from ligserve.server.workers.quadrature import LockStepRule, QuadratureRule
from ligserve.server.workers.quadrature.rule import Floats
from ligserve.v1 import explanation_pb2, explanation_service_pb2


@dataclass(frozen=True)
class PathPlan:
    """One path of a request, with tokens of its own; it becomes one window of the answer.

    Attributes:
        spec: the path.
        rule: how it is integrated.
        tokens: its tokens.
        explained: from the input's logits, (C,) or (T, C), to what is explained.
        most_targets: how many targets that can be, told before the logits are known; of a window its document
            tells it.
        first_target: number of its first target, as the header counts them.
        hypothesis: for zero-shot classification, the second text, which the caller did not send.
        outputs: what is computed where that is not what is explained; empty: the outputs that are explained.
        basis: outputs that are evaluated in place of those, which follow from them; empty: none are.
        tells_targets: whether header and summary have the targets from this path, not from another one.
        kept: for a head that judges each token, the tokens whose logits a document needs from this window;
            None: all of them.
    """

    spec: PathSpec
    rule: QuadratureRule
    tokens: explanation_service_pb2.Tokens
    explained: Callable[[Tensor], Sequence[Explained]]
    most_targets: int = 1
    first_target: int = 0
    hypothesis: str = ""
    outputs: Sequence[Output] = ()
    basis: Sequence[Output] = ()
    tells_targets: bool = True
    kept: range | None = None

    def in_lock_step(self, rule: LockStepRule, *outputs: Output) -> "PathPlan":
        """The same path, one of several whose targets depend on all of them; the first tells the targets."""
        return replace(self, rule=rule, outputs=outputs, tells_targets=rule.is_first)


@dataclass(frozen=True)
class NoisyCopies:
    """Paths whose scores make one answer, in place of the path to the input itself.

    Attributes:
        specs: the paths, made as they are asked for.
        samples: how many there are.
        at_once: most of them that are under way at a time.
        kind: how their scores are combined.
    """

    specs: Iterable[PathSpec]
    samples: int
    at_once: int
    kind: "explanation_pb2.NoiseTunnel.Kind.ValueType"


@dataclass(frozen=True)
class Together:
    """Windows of a document, one after the other, whose targets depend on all of them.

    Attributes:
        size: how many belong together.
        tie: ties the paths of so many windows to one rule, for the targets with these numbers, ascending.
    """

    size: int
    tie: Callable[[Sequence[PathPlan], QuadratureRule, Sequence[int]], Sequence[PathPlan]]


@dataclass(frozen=True)
class DocumentPlan:
    """How the windows of a long text make up a document.

    Attributes:
        outcome: from the windows' logits to what is known of the document; where that takes long, it stops
            now and then, so that others get their turn.
        first_tokens: (W,), each window's first token in the document.
        token_counts: (W,), each window's tokens, special ones not counted.
        rule: from (K,), the sum of the windows' |change| x share for each target, to a window's rule.
        tolerance: the tolerance for the document; None for a fixed number of steps.
        targets: how many targets it has at most, told before the logits are known.
        targets_in: (W,), how many of them are about each window at most; None where only the logits tell.
        winners: how many windows they are about at most, where only the logits tell which.
        together: where several windows are explained together, and share a rule, which of them and how.
        segment: which of the request's texts the windows are cut from.
        ends_of: from the logits of every window's input to the windows whose paths may be integrated; None:
            all of them.
    """

    outcome: Callable[[WindowLogits], Outcome | OutcomeSteps]
    first_tokens: Sequence[int]
    token_counts: Sequence[int]
    rule: Callable[[Floats], QuadratureRule]
    tolerance: float | None
    targets: int
    targets_in: Sequence[int] | None
    winners: int = 0
    together: Together | None = None
    segment: int = 0
    ends_of: Callable[[Sequence[Tensor]], Sequence[int]] | None = None

    def outcome_steps(self, logits: WindowLogits) -> OutcomeSteps:
        """What is known of the document, whether that takes steps or not."""
        found = self.outcome(logits)
        return found if isinstance(found, Outcome) else (yield from found)


@dataclass(frozen=True)
class Plan:
    """A request, understood: the paths to integrate over, and how to speak of the result.

    Attributes:
        model: the model that is explained.
        convention: whose habits are followed.
        paths: the paths, one or more; those of a long text are made when they are asked for.
        outcome: from the logits of each path's input, (C,) or (T, C), to the header's fields that they
            decide: prediction, answer, or labels and the windows' token_predictions.
        warnings: what is known to be odd before the work starts.
        document: where the paths are the windows of a long text, how they belong together; its own `outcome`
            is asked then.
        copies: where noisy copies of the input are integrated in place of the only path.
        may_explain_less: whether the paths may have fewer targets than their most.
    """

    model: LoadedModel
    convention: "explanation_pb2.Convention.ValueType"
    paths: Sequence[PathPlan]
    outcome: Callable[[Sequence[Tensor]], explanation_service_pb2.Header]
    warnings: Sequence[explanation_service_pb2.Warning]
    document: DocumentPlan | None = None
    copies: NoisyCopies | None = None
    may_explain_less: bool = False


# The making of a plan; it stops now and then, so that others get their turn.
Planning = Generator[None, None, Plan]
