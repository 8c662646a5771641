"""How long an input may be, and how long a batch is made."""

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from ligserve.server.workers.models.layers import position_layer

# Tokenizers without a limit of their own say a huge number.
_NO_LIMIT = 1_000_000
# Most tokens of a row of models without a limit, where it is asked for that long texts are cut: what such
# models (T5, XLNet) were trained on.
WINDOW_WITHOUT_LIMIT = 512
# A GPU loads 16 bytes at a time, 8 numbers of 16 bits: of other lengths it multiplies matrices more slowly,
# and attention copies its mask to pad it. And the memory of a batch fits the next one of about its length.
_GPU_LENGTH_STEP = 8


def max_tokens(network: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> int:
    """Most tokens of an input, special tokens included; 0 where no limit is known.

    Models of relative positions (T5, XLNet) have no limit of their own; their tokenizer's counts alone.
    """
    limits = [_position_limit(network), tokenizer.model_max_length]
    known = [int(limit) for limit in limits if limit and 0 < limit < _NO_LIMIT]
    return min(known, default=0)


def length_step(device: torch.device) -> int:
    """What the lengths of batches had best be multiples of."""
    return _GPU_LENGTH_STEP if device.type == "cuda" else 1


def _position_limit(network: PreTrainedModel) -> int:
    """The table of positions; architectures that count from their padding id on lose those before it."""
    limit = getattr(network.config, "max_position_embeddings", None) or 0
    layer = position_layer(network)
    padding = getattr(layer.modules[0], "padding_idx", None) if layer else None
    return limit if padding is None else limit - padding - 1
