"""How long an input may be."""

from transformers import PreTrainedModel, PreTrainedTokenizerFast

from ligserve.server.workers.models.layers import embedding_layers
from ligserve.v1 import explanation_pb2 as pb

# Tokenizers without a limit of their own say a huge number.
_NO_LIMIT = 1_000_000


def max_tokens(network: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> int:
    """Most tokens of an input, special tokens included; 0 where no limit is known."""
    limits = [_position_limit(network), tokenizer.model_max_length]
    known = [int(limit) for limit in limits if limit and 0 < limit < _NO_LIMIT]
    return min(known, default=0)


def _position_limit(network: PreTrainedModel) -> int:
    """The table of positions; architectures that count from their padding id on lose those before it."""
    limit = getattr(network.config, "max_position_embeddings", None) or 0
    table = embedding_layers(network).get(pb.EMBEDDING_LAYER_POSITION)
    padding = getattr(table, "padding_idx", None)
    return limit if padding is None else limit - padding - 1
