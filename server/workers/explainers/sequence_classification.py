"""Sequence classification: a classifier's output for one text."""

from ligserve.server.errors import FailedPreconditionError
from ligserve.server.workers.engine.path import PathSpec
from ligserve.server.workers.explainers.accuracy import quadrature_rule
from ligserve.server.workers.explainers.baselines import baseline_kind, replacement_token
from ligserve.server.workers.explainers.classes import ClassTargets, chosen_labels
from ligserve.server.workers.explainers.faithful_text import faithful_input
from ligserve.server.workers.explainers.library_text import library_input
from ligserve.server.workers.explainers.moved_layer import moved_layer
from ligserve.server.workers.explainers.plan import Plan
from ligserve.server.workers.models.loaded import LoadedModel
from ligserve.v1 import explanation_pb2, explanation_service_pb2

FIELD = "sequence_classification"


def plan_sequence_classification(request: explanation_service_pb2.ExplainRequest, model: LoadedModel) -> Plan:
    """Understand a request.

    Raises:
        InvalidArgumentError: the text or a class does not fit the model.
        FailedPreconditionError: the model cannot be explained in this way.
    """
    question, options = request.sequence_classification, request.options
    convention = options.convention or explanation_pb2.CONVENTION_FAITHFUL
    refuse_unsupported(model, convention)
    layer, warnings = moved_layer(model, convention, options.embedding_layer)
    kind = baseline_kind(options)
    read = library_input if convention == explanation_pb2.CONVENTION_LIBRARY else faithful_input
    text = read(model, question.text, f"{FIELD}.text", replacement_token(model, kind))
    labels = chosen_labels(model.labels, question.custom_labels, f"{FIELD}.custom_labels")
    space = options.output_space or explanation_pb2.OUTPUT_SPACE_PROBABILITY
    targets = ClassTargets(labels, question.targets, space, f"{FIELD}.targets")
    return Plan(
        model=model,
        convention=convention,
        path=PathSpec(
            model=model,
            layer=model.layers[layer],
            row=text.row,
            baseline_row=text.baseline_row,
            zeroed=text.content if kind == "zero_embedding" else None,
            prediction_row=text.prediction_row,
        ),
        rule=quadrature_rule(options, convention),
        tokens=text.tokens,
        outputs=targets.outputs,
        prediction=targets.prediction,
        described=targets.described,
        warnings=warnings,
    )


def refuse_unsupported(model: LoadedModel, convention: "explanation_pb2.Convention.ValueType") -> None:
    """Refuse what is known to go wrong, rather than answer with nonsense.

    Raises:
        FailedPreconditionError: the model cannot be explained in this convention.
    """
    if convention == explanation_pb2.CONVENTION_LIBRARY and model.library_refusal:
        raise FailedPreconditionError(
            f"transformers-interpret cannot explain model '{model.name}': {model.library_refusal}; "
            "ask for the FAITHFUL convention",
            reason="LIBRARY_CONVENTION_UNSUPPORTED",
        )
    if convention == explanation_pb2.CONVENTION_FAITHFUL and model.faithful_refusal:
        raise FailedPreconditionError(
            f"model '{model.name}' cannot be explained: {model.faithful_refusal}",
            reason="MODEL_UNSUPPORTED",
        )
