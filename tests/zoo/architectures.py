"""The architectures that parity and accuracy are tested on: one line each."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import transformers as tf
from transformers import PreTrainedConfig

from tests.zoo.tokenizers import (
    TokenizerMaker,
    bare_byte_level,
    bare_byte_level_padded,
    bert_byte_level,
    byte_level,
    byte_level_pairs,
    opening_byte_level,
    opening_unigram,
    trailing_unigram,
    unigram,
    unigram_ending,
    unigram_pairs,
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
        trained_padding: whether the padding token has a vector, as in a trained checkpoint. torch starts it
            at zero, from where a path has no direction in models without positions in their embeddings.
    """

    name: str
    config: Callable[..., PreTrainedConfig]
    tokenizer: TokenizerMaker
    settings: dict[str, Any] = field(default_factory=dict)
    trained_padding: bool = False


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
_DEBERTA_V3 = {"position_buckets": 16, "norm_rel_ebd": "layer_norm", "share_att_key": True}
_MODERN = {"global_attn_every_n_layers": 2, "local_attention": 16}
_BIG_BIRD = {"attention_type": "block_sparse", "block_size": 4, "num_random_blocks": 1}
_XLNET = {"d_model": 32, "n_layer": 2, "n_head": 2, "d_inner": 64}
_BART = {
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
    "max_position_embeddings": 130,
}
_T5 = {
    "d_model": 32,
    "d_kv": 16,
    "d_ff": 64,
    "num_layers": 2,
    "num_heads": 2,
    "initializer_factor": 1.0,
    "decoder_start_token_id": 0,
}
_OPT = {
    "hidden_size": 32,
    "word_embed_proj_dim": 32,
    "ffn_dim": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 130,
}
_GROUPED = {**_SMALL, "num_key_value_heads": 1}

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
        Architecture("xlm-roberta", tf.XLMRobertaConfig, unigram_pairs, {**_SMALL, "type_vocab_size": 1}),
        Architecture("camembert", tf.CamembertConfig, unigram_pairs, {**_SMALL, "type_vocab_size": 1}),
        Architecture("deberta", tf.DebertaConfig, bert_byte_level, {**_SMALL, **_DEBERTA}),
        Architecture("deberta-v3", tf.DebertaV2Config, unigram, {**_SMALL, **_DEBERTA, **_DEBERTA_V3}),
        Architecture("longformer", tf.LongformerConfig, byte_level_pairs, {**_SMALL, "attention_window": 16}),
        Architecture("big-bird", tf.BigBirdConfig, unigram, {**_SMALL, **_BIG_BIRD}),
        Architecture("xlnet", tf.XLNetConfig, trailing_unigram, _XLNET),
        Architecture("bart", tf.BartConfig, byte_level_pairs, _BART),
        Architecture("t5", tf.T5Config, unigram_ending, _T5),
        Architecture("mt5", tf.MT5Config, unigram_ending, {**_T5, "feed_forward_proj": "gated-gelu"}),
        Architecture("opt", tf.OPTConfig, opening_byte_level, _OPT),
        Architecture("llama", tf.LlamaConfig, opening_unigram, _GROUPED),
        Architecture("qwen2", tf.Qwen2Config, bare_byte_level_padded, _GROUPED, trained_padding=True),
    )
}
