"""The architectures that parity and accuracy are tested on: one line each."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import transformers as tf
from transformers import PreTrainedConfig

from tests.zoo.tokenizers import (
    TokenizerMaker,
    bare_byte_level,
    byte_level,
    byte_level_pairs,
    unigram,
    wordpiece,
)


@dataclass(frozen=True)
class Architecture:
    """A model family.

    Attributes:
        name: how tests call it.
        config: its configuration class.
        tokenizer: makes a tokenizer of the kind the family uses.
        settings: what differs from the small defaults.
    """

    name: str
    config: Callable[..., PreTrainedConfig]
    tokenizer: TokenizerMaker
    settings: dict[str, Any] = field(default_factory=dict)


_SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 130,
}
_DISTIL = {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64, "max_position_embeddings": 130}
_GPT2 = {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 130}
_DEBERTA = {"relative_attention": True, "position_biased_input": False, "pos_att_type": ["p2c", "c2p"]}
_MODERN = {"global_attn_every_n_layers": 2, "local_attention": 16}

ARCHITECTURES = {
    architecture.name: architecture
    for architecture in (
        Architecture("bert", tf.BertConfig, wordpiece, _SMALL),
        Architecture("distilbert", tf.DistilBertConfig, wordpiece, _DISTIL),
        Architecture("roberta", tf.RobertaConfig, byte_level_pairs, {**_SMALL, "type_vocab_size": 1}),
        Architecture("electra", tf.ElectraConfig, wordpiece, {**_SMALL, "embedding_size": 16}),
        Architecture("albert", tf.AlbertConfig, unigram, {**_SMALL, "embedding_size": 16}),
        Architecture("mpnet", tf.MPNetConfig, byte_level_pairs, _SMALL),
        Architecture("deberta-v2", tf.DebertaV2Config, unigram, {**_SMALL, **_DEBERTA}),
        Architecture("gpt2", tf.GPT2Config, bare_byte_level, _GPT2),
        Architecture("modernbert", tf.ModernBertConfig, byte_level, {**_SMALL, **_MODERN}),
    )
}
