"""Which outputs of an entailment (NLI) model say yes and no."""

from collections.abc import Sequence


def entailment_index(labels: Sequence[str]) -> int | None:
    """Position of the label that says entailment, in any spelling; None if there is none.

    As transformers' zero-shot pipeline finds it: the first that starts with "entail", whatever its case.
    """
    found = (index for index, label in enumerate(labels) if label.strip().lower().startswith("entail"))
    return next(found, None)


def library_entailment_index(labels: Sequence[str]) -> int | None:
    """Position of the label as transformers-interpret 0.10.0 finds it; None if it does not."""
    found = (labels.index(name) for name in ("entailment", "ENTAILMENT") if name in labels)
    return next(found, None)


def contradiction_index(labels: Sequence[str], entailment: int) -> int:
    """Position of the label that transformers' zero-shot pipeline weighs entailment against.

    It takes the first label, or the last one where entailment is the first, whatever they are called.
    """
    return len(labels) - 1 if entailment == 0 else 0
