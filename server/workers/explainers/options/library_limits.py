"""What is known to be beyond transformers-interpret 0.10.0, whatever the text is."""

from ligserve.server.workers.models.layers import EmbeddingLayer
from ligserve.server.workers.models.loaded import TextModel
from ligserve.v1 import explanation_pb2


def library_layer(model: TextModel) -> EmbeddingLayer:
    """The word embeddings as the library finds them: the module that transformers names, whoever uses it."""
    return EmbeddingLayer((model.network.get_input_embeddings(),))


def library_refusal(model: TextModel) -> str:
    """Why the library cannot explain any text to this model; empty for all that is known here."""
    words = model.layers[explanation_pb2.EMBEDDING_LAYER_WORD]
    if words.time_first:
        return "its embeddings have the batch second, captum repeats them along the first dimension"
    if words != library_layer(model):
        return "its tokens are looked up by other modules than get_input_embeddings(), or more than once"
    if model.network.config.model_type != "gpt2" and model.tokenizer.pad_token_id is None:
        return "its tokenizer has no token for padding, which the library's baseline is made of"
    return ""
