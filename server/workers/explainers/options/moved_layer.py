"""Which embedding layer a path moves."""

from ligserve.server.errors import FailedPreconditionError
from ligserve.server.workers.explainers.inputs.library_text import library_accepts
from ligserve.server.workers.explainers.inputs.text_input import TextInput
from ligserve.server.workers.models.loaded import RowInputs, TextModel
from ligserve.v1 import explanation_pb2, explanation_service_pb2

# What the library says before it takes the word embeddings instead, and the code for it.
_FALLBACKS = {
    explanation_pb2.EMBEDDING_LAYER_POSITION: (
        "POSITION_EMBEDDINGS_UNSUPPORTED",
        "This model doesn't support position embeddings for attributions. Defaulting to word embeddings",
    ),
    explanation_pb2.EMBEDDING_LAYER_ALL: (
        "EMBEDDINGS_BLOCK_UNSUPPORTED",
        "This model doesn't support the embedding type you selected for attributions. "
        "Defaulting to word embeddings",
    ),
}
_NAMES = {
    explanation_pb2.EMBEDDING_LAYER_POSITION: "position embeddings",
    explanation_pb2.EMBEDDING_LAYER_ALL: "embeddings block",
}


def default_layer(
    explainer: str, convention: "explanation_pb2.Convention.ValueType"
) -> "explanation_pb2.EmbeddingLayer.ValueType":
    """The layer that moves where the caller names none."""
    if explainer == "question_answering" and convention == explanation_pb2.CONVENTION_LIBRARY:
        return explanation_pb2.EMBEDDING_LAYER_ALL
    return explanation_pb2.EMBEDDING_LAYER_WORD


def supported_layers(
    model: TextModel, convention: "explanation_pb2.Convention.ValueType"
) -> list["explanation_pb2.EmbeddingLayer.ValueType"]:
    """The layers that a path of this model can move in this convention."""
    layers = [explanation_pb2.EMBEDDING_LAYER_WORD]
    has_table = explanation_pb2.EMBEDDING_LAYER_POSITION in model.layers
    if convention == explanation_pb2.CONVENTION_LIBRARY:
        moves_positions = has_table and library_accepts(model, "position_ids")
    else:
        moves_positions = has_table and "position_ids" in model.parameters
    if moves_positions:
        layers.append(explanation_pb2.EMBEDDING_LAYER_POSITION)
    if explanation_pb2.EMBEDDING_LAYER_ALL in model.layers:
        layers.append(explanation_pb2.EMBEDDING_LAYER_ALL)
    return layers


def moved_layer(
    model: TextModel,
    convention: "explanation_pb2.Convention.ValueType",
    layer: "explanation_pb2.EmbeddingLayer.ValueType",
) -> tuple["explanation_pb2.EmbeddingLayer.ValueType", list[explanation_service_pb2.Warning]]:
    """The layer asked for; in LIBRARY, where it is missing, the word embeddings with a warning.

    Raises:
        FailedPreconditionError: in FAITHFUL, the model has no such layer.
    """
    if layer in supported_layers(model, convention):
        return layer, []
    if convention == explanation_pb2.CONVENTION_LIBRARY:
        code, message = _FALLBACKS[layer]
        warning = explanation_service_pb2.Warning(code=code, message=message)
        return explanation_pb2.EMBEDDING_LAYER_WORD, [warning]
    name = explanation_pb2.EmbeddingLayer.Name(layer)
    raise FailedPreconditionError(
        f"model '{model.name}' has no {_NAMES[layer]} that a path can move ({name})",
        reason="EMBEDDING_LAYER_UNSUPPORTED",
    )


def start_row(
    model: TextModel,
    convention: "explanation_pb2.Convention.ValueType",
    layer: "explanation_pb2.EmbeddingLayer.ValueType",
    text: TextInput,
) -> RowInputs:
    """The inputs whose layer output a path starts from.

    The library's whole block starts from other tokens, positions and types; in FAITHFUL only the tokens move,
    each at its own place.
    """
    everything = layer == explanation_pb2.EMBEDDING_LAYER_ALL
    library = convention == explanation_pb2.CONVENTION_LIBRARY
    if library or not everything or "position_ids" not in text.baseline_row:
        return text.baseline_row
    return {**text.baseline_row, "position_ids": model.positions(text.row["input_ids"])}
