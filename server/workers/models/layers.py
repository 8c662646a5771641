"""The embedding layers of a model, and the hooks that read or replace their output."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from ligserve.v1 import explanation_pb2 as pb


class LookupCountError(Exception):
    """A forward pass used the embedding layer more or less than once, so one path cannot stand for it."""


class _OutputSeenError(Exception):
    """Ends a forward pass as soon as the layer's output is known."""


def embedding_layers(model: PreTrainedModel) -> dict["pb.EmbeddingLayer.ValueType", nn.Module]:
    """The layers whose output a path can move, as far as this architecture has them."""
    layers: dict[pb.EmbeddingLayer.ValueType, nn.Module] = {
        pb.EMBEDDING_LAYER_WORD: model.get_input_embeddings()
    }
    base = getattr(model, model.base_model_prefix, model)
    block = getattr(base, "embeddings", None)
    position = getattr(block, "position_embeddings", None) or getattr(base, "wpe", None)
    if isinstance(position, nn.Module):
        layers[pb.EMBEDDING_LAYER_POSITION] = position
    return layers


def layer_output(model: PreTrainedModel, layer: nn.Module, inputs: Mapping[str, Tensor]) -> Tensor:
    """What the layer puts out for inputs of one row, (T, d); the forward pass goes no further.

    Raises:
        LookupCountError: the forward pass does not use the layer.
    """
    seen: list[Tensor] = []

    def stop(_module: nn.Module, _args: Any, output: Tensor) -> None:
        seen.append(output)
        raise _OutputSeenError

    handle = layer.register_forward_hook(stop)
    try:
        with torch.no_grad():
            model(**inputs)
    except _OutputSeenError:
        return seen[0].reshape(-1, seen[0].shape[-1])
    finally:
        handle.remove()
    raise LookupCountError("the forward pass does not use the embedding layer")


@contextmanager
def replaced_output(layer: nn.Module, output: Tensor) -> Iterator[None]:
    """Within it, the layer puts out `output` whatever it is given.

    Raises:
        LookupCountError: at the end, if the layer was not used exactly once.
    """
    uses = 0

    def replace(_module: nn.Module, _args: Any, _output: Tensor) -> Tensor:
        nonlocal uses
        uses += 1
        return output

    handle = layer.register_forward_hook(replace)
    try:
        yield
    finally:
        handle.remove()
    if uses != 1:
        raise LookupCountError(f"a forward pass uses the embedding layer {uses} times")
