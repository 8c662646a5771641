"""Which explainers a model's head supports, and what is refused, with the reason."""

from collections.abc import Callable, Mapping

from ligserve.server.errors import FailedPreconditionError
from ligserve.server.workers.explainers.options.library_limits import library_refusal
from ligserve.server.workers.explainers.targets.entailment import entailment_index, library_entailment_index
from ligserve.server.workers.models.head import HEAD_OF_EXPLAINER
from ligserve.server.workers.models.loaded import LoadedModel, TextModel
from ligserve.v1 import explanation_pb2 as pb

CONVENTIONS = (pb.CONVENTION_LIBRARY, pb.CONVENTION_FAITHFUL)


def head_refusal(model: LoadedModel, explainer: str) -> str:
    """Why the model's head has no use for this explainer; empty if it has."""
    if HEAD_OF_EXPLAINER[explainer] is not model.head:
        article = "an" if model.head.name[0] in "aeiou" else "a"
        return f"it is {article} {model.head.name} ({type(model.network).__name__})"
    check = _HEAD_CHECKS.get(explainer)
    return "" if check is None else check(model)


def refusal(model: LoadedModel, explainer: str, convention: "pb.Convention.ValueType") -> str:
    """Why this explainer cannot be served in this convention; empty if it can."""
    found = model.refusals.get((explainer, convention), "")
    return _library_refusal(model, explainer) or found if convention == pb.CONVENTION_LIBRARY else found


def refuse_head(model: LoadedModel, explainer: str) -> None:
    """Refuse a question that the model's head cannot answer.

    Raises:
        FailedPreconditionError: it cannot.
    """
    head = head_refusal(model, explainer)
    if head:
        raise FailedPreconditionError(
            f"model '{model.name}' cannot answer {explainer}: {head}", reason="EXPLAINER_UNSUPPORTED"
        )


def refuse_unsupported(model: LoadedModel, explainer: str, convention: "pb.Convention.ValueType") -> None:
    """Refuse what is known to go wrong, rather than answer with nonsense.

    Raises:
        FailedPreconditionError: the model cannot be explained in this way.
    """
    why = refusal(model, explainer, convention)
    if why and convention == pb.CONVENTION_LIBRARY:
        raise FailedPreconditionError(
            f"transformers-interpret cannot explain model '{model.name}': {why}; "
            "ask for the FAITHFUL convention",
            reason="LIBRARY_CONVENTION_UNSUPPORTED",
        )
    if why:
        raise FailedPreconditionError(
            f"model '{model.name}' cannot be explained: {why}", reason="MODEL_UNSUPPORTED"
        )


def _several_logits(model: LoadedModel) -> str:
    return "" if model.num_logits > 1 else "it has a single logit; ask for sequence_classification"


def _entailment(model: LoadedModel) -> str:
    if model.num_logits > 1 and entailment_index(model.labels) is not None:
        return ""
    return f"none of its labels says entailment ({', '.join(model.labels[:20])})"


def _library_refusal(model: LoadedModel, explainer: str) -> str:
    """What is known of the library without trying."""
    known = library_refusal(model) if isinstance(model, TextModel) else ""
    check = _LIBRARY_CHECKS.get(explainer)
    return known or (check(model) if check else "")


def _library_entailment(model: LoadedModel) -> str:
    found = library_entailment_index(model.labels)
    return "" if found is not None else "no label is spelt 'entailment' or 'ENTAILMENT'"


def _library_choice(model: LoadedModel) -> str:
    return "" if model.num_logits > 1 else "its softmax over a single label is 1 for every token"


_HEAD_CHECKS: Mapping[str, Callable[[LoadedModel], str]] = {
    "multi_label_classification": _several_logits,
    "zero_shot_classification": _entailment,
}
_LIBRARY_CHECKS: Mapping[str, Callable[[LoadedModel], str]] = {
    "zero_shot_classification": _library_entailment,
    "token_classification": _library_choice,
}
