"""Where a model looks its tokens up: found by watching a forward pass, not by a table of architectures."""

import inspect
import itertools
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from ligserve.server.workers.models.layers import EmbeddingLayer, block_layer, position_layer
from ligserve.v1 import explanation_pb2 as pb

_TEXT = "a probe of where the tokens of a text are looked up, and how often"
_DISTINCT_TOKENS = 5
# Decoders see the input shifted by one; nothing shifts it further.
_LARGEST_SHIFT = 1


@dataclass(frozen=True)
class _Lookup:
    """A call of an embedding module with the tokens of the row."""

    module: nn.Module
    shift: int
    time_first: bool


def embedding_layers(
    network: PreTrainedModel, tokenizer: PreTrainedTokenizerFast
) -> dict["pb.EmbeddingLayer.ValueType", EmbeddingLayer]:
    """The layers whose output a path can move, as far as this architecture has them."""
    layers = {
        pb.EMBEDDING_LAYER_WORD: word_layer(network, tokenizer),
        pb.EMBEDDING_LAYER_POSITION: position_layer(network),
        pb.EMBEDDING_LAYER_ALL: block_layer(network),
    }
    return {kind: layer for kind, layer in layers.items() if layer is not None}


def word_layer(network: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> EmbeddingLayer:
    """The modules that a forward pass hands the tokens to, and how each of them sees the row.

    Where none is found (the pass fails, say), the module that transformers names; trying the explainers
    tells what is wrong with it.
    """
    try:
        lookups = _watched(network, _probe_row(tokenizer))
    except Exception:  # whatever a model's code raises
        lookups = []
    if not lookups:
        return EmbeddingLayer((network.get_input_embeddings(),))
    return EmbeddingLayer(
        modules=tuple(dict.fromkeys(lookup.module for lookup in lookups)),
        shifts=tuple(lookup.shift for lookup in lookups),
        time_first=any(lookup.time_first for lookup in lookups),
    )


def _probe_row(tokenizer: PreTrainedTokenizerFast) -> dict[str, Tensor]:
    """A row whose texts are a few tokens over and over, in an order that no list of positions has.

    Two texts, since some question answerers take nothing else.
    """
    encoding = tokenizer(_TEXT, _TEXT, return_special_tokens_mask=True)
    special = set(tokenizer.all_special_ids)
    plain = (token for token in reversed(range(tokenizer.vocab_size)) if token not in special)
    tokens = itertools.cycle(itertools.islice(plain, _DISTINCT_TOKENS))
    marks = zip(encoding["input_ids"], encoding.pop("special_tokens_mask"), strict=True)
    encoding["input_ids"] = [token if mark else next(tokens) for token, mark in marks]
    return {name: torch.tensor([values]) for name, values in encoding.items()}


def _watched(network: PreTrainedModel, row: Mapping[str, Tensor]) -> list[_Lookup]:
    found: list[_Lookup] = []
    ids = row["input_ids"][0]

    def watch(module: nn.Module, args: tuple[Any, ...], output: Tensor) -> None:
        asked = args[0] if args and isinstance(args[0], Tensor) else torch.empty(0)
        tokens = asked.reshape(-1)[: len(ids)].cpu()
        shift = _shift(tokens, ids)
        if shift is not None and _by_token_alone(tokens, output.reshape(-1, output.shape[-1])):
            found.append(_Lookup(module, shift, time_first=asked.shape[0] == len(ids)))

    tables = {network.get_input_embeddings(), *(m for m in network.modules() if isinstance(m, nn.Embedding))}
    accepted = inspect.signature(network.forward).parameters
    inputs = {name: values.to(network.device) for name, values in row.items() if name in accepted}
    with ExitStack() as hooks, torch.no_grad():
        for table in tables:
            hooks.callback(table.register_forward_hook(watch).remove)
        network(**inputs)
    return found


def _shift(asked: Tensor, ids: Tensor) -> int | None:
    """How far the row stands to the right in what a module is asked for; None if it is not there."""
    if len(asked) != len(ids):
        return None
    shifts = range(_LARGEST_SHIFT + 1)
    return next((shift for shift in shifts if torch.equal(asked[shift:], ids[: len(ids) - shift])), None)


def _by_token_alone(tokens: Tensor, vectors: Tensor) -> bool:
    """Whether a token has the same vector wherever it is; some tables of positions are handed tokens too."""
    ids = tokens.tolist()
    return torch.equal(vectors[: len(ids)], vectors[[ids.index(token) for token in ids]])
