"""Which embedding layer a path moves."""

from ligserve.server.errors import FailedPreconditionError
from ligserve.server.workers.explainers.library_text import library_accepts
from ligserve.server.workers.models.loaded import TextModel
from ligserve.v1 import explanation_pb2, explanation_service_pb2

POSITION_UNSUPPORTED = "POSITION_EMBEDDINGS_UNSUPPORTED"


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
    return [*layers, explanation_pb2.EMBEDDING_LAYER_POSITION] if moves_positions else layers


def moved_layer(
    model: TextModel,
    convention: "explanation_pb2.Convention.ValueType",
    asked: "explanation_pb2.EmbeddingLayer.ValueType",
) -> tuple["explanation_pb2.EmbeddingLayer.ValueType", list[explanation_service_pb2.Warning]]:
    """The layer asked for; in LIBRARY, where it is missing, the word embeddings with a warning.

    Raises:
        FailedPreconditionError: in FAITHFUL, the model has no such layer.
    """
    layer = asked or explanation_pb2.EMBEDDING_LAYER_WORD
    if layer in supported_layers(model, convention):
        return layer, []
    if convention == explanation_pb2.CONVENTION_LIBRARY:
        message = (
            "This model doesn't support position embeddings for attributions. Defaulting to word embeddings"
        )
        warning = explanation_service_pb2.Warning(code=POSITION_UNSUPPORTED, message=message)
        return explanation_pb2.EMBEDDING_LAYER_WORD, [warning]
    name = explanation_pb2.EmbeddingLayer.Name(layer)
    raise FailedPreconditionError(
        f"model '{model.name}' has no position embeddings that a path can move ({name})",
        reason="EMBEDDING_LAYER_UNSUPPORTED",
    )
