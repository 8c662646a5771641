"""Rules of the explainers' messages."""

from collections.abc import Sequence

from ligserve.server.validation.rules import Violations
from ligserve.v1 import explanation_pb2 as pb

MAX_TARGETS = 64


def check_sequence_classification(
    found: Violations, message: pb.SequenceClassification, max_text_chars: int
) -> None:
    """Check the text, the targets and the names of the labels."""
    path = "sequence_classification"
    found.text(f"{path}.text", message.text, max_text_chars)
    check_targets(found, f"{path}.targets", message.targets)
    check_custom_labels(found, f"{path}.custom_labels", message.custom_labels)


def check_targets(found: Violations, path: str, targets: Sequence[pb.ClassTarget]) -> None:
    """Check the number of targets, and that each class is named."""
    if len(targets) > MAX_TARGETS:
        found.add(path, f"holds {len(targets)} targets, but may hold at most {MAX_TARGETS}")
        return
    for i, target in enumerate(targets):
        if target.HasField("label"):
            check_class(found, f"{path}[{i}].label", target.label)
        if target.HasField("versus"):
            check_class(found, f"{path}[{i}].versus", target.versus)


def check_class(found: Violations, path: str, reference: pb.ClassReference) -> None:
    """Check that a class is named one way or the other."""
    chosen = reference.WhichOneof("reference")
    if chosen is None:
        found.add(path, "must name a class, by index or by name")
    elif chosen == "name" and not reference.name:
        found.add(f"{path}.name", "must not be empty")


def check_custom_labels(found: Violations, path: str, labels: Sequence[str]) -> None:
    """Check that names are there and differ."""
    seen: dict[str, int] = {}
    for i, label in enumerate(labels):
        if not label:
            found.add(f"{path}[{i}]", "must not be empty")
        elif label in seen:
            found.add(f"{path}[{i}]", f"is {label!r}, as is [{seen[label]}]; names must differ")
        else:
            seen[label] = i
