"""Classes of a model, by position or by name, and the targets made of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, TypeAlias, TypeVar

from ligserve.client.fields import FieldScope
from ligserve.client.types.enums import OutputSpace, choice
from ligserve.v1 import explanation_pb2 as pb

ClassLike: TypeAlias = int | str

T = TypeVar("T", covariant=True)


@dataclass(frozen=True, slots=True)
class ClassTarget:
    """One scalar function of a classifier's output.

    Attributes:
        label: the class that is explained, by index or name; None: the predicted class.
        versus: if given, explain output(label) - output(versus): why this class rather than that one.
        output_space: "probability", "log_odds" or "logit", which other targets of the request need not share;
            None: the request's.
    """

    label: ClassLike | None = None
    versus: ClassLike | None = None
    output_space: OutputSpace | str | None = None

    def __post_init__(self) -> None:
        if self.output_space is not None:
            object.__setattr__(self, "output_space", choice(OutputSpace, self.output_space, "output_space"))


TargetLike: TypeAlias = ClassLike | ClassTarget
Targets: TypeAlias = TargetLike | Iterable[TargetLike]
Labels: TypeAlias = ClassLike | Iterable[ClassLike]


class Appendable(Protocol[T]):
    """A repeated message field."""

    def add(self) -> T:
        """Append an empty message and return it."""
        ...


def as_targets(targets: Targets) -> tuple[ClassTarget, ...]:
    """Targets from their short forms; one may be given bare."""
    given = (targets,) if isinstance(targets, int | str | ClassTarget) else targets
    return tuple(t if isinstance(t, ClassTarget) else ClassTarget(t) for t in given)


def as_labels(labels: Labels) -> tuple[ClassLike, ...]:
    """Labels as a tuple; one may be given bare."""
    return (labels,) if isinstance(labels, int | str) else tuple(labels)


def add_targets(field: Appendable[pb.ClassTarget], targets: Targets, scope: FieldScope) -> None:
    """Write targets into a request's field `targets`."""
    for i, target in enumerate(as_targets(targets)):
        message, here = field.add(), scope.at(f"targets[{i}]")
        if target.label is not None:
            _set_reference(message.label, target.label, here.at("label"))
        if target.versus is not None:
            _set_reference(message.versus, target.versus, here.at("versus"))
        if isinstance(target.output_space, OutputSpace):
            message.output_space = pb.OutputSpace.Value(f"OUTPUT_SPACE_{target.output_space.name}")


def add_references(field: Appendable[pb.ClassReference], labels: Labels, scope: FieldScope) -> None:
    """Write classes into a request's field `labels`."""
    for i, label in enumerate(as_labels(labels)):
        _set_reference(field.add(), label, scope.at(f"labels[{i}]"))


def _set_reference(message: pb.ClassReference, label: ClassLike, scope: FieldScope) -> None:
    if isinstance(label, str):
        message.name = scope.text("name", label)
    else:
        message.index = scope.unsigned("index", label)
