"""The embedding layers of a model, and the hooks that read or replace their output."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from ligserve.v1 import explanation_pb2 as pb


class LookupCountError(Exception):
    """A forward pass looked embeddings up more or less often than expected, so a path cannot stand for it."""


class _OutputsSeenError(Exception):
    """Ends a forward pass as soon as the layer's outputs are known."""


@dataclass(frozen=True)
class EmbeddingLayer:
    """A layer whose output a path moves: the modules that look the tokens up.

    Attributes:
        modules: the modules, most often one.
        shifts: one for each look-up of a forward pass, in its order: position p of that look-up is the
            token p - shift of the input (encoder-decoders see it again, shifted by one, in the decoder).
    """

    modules: tuple[nn.Module, ...]
    shifts: tuple[int, ...] = (0,)


def embedding_layers(model: PreTrainedModel) -> dict["pb.EmbeddingLayer.ValueType", EmbeddingLayer]:
    """The layers whose output a path can move, as far as this architecture has them."""
    layers = {pb.EMBEDDING_LAYER_WORD: EmbeddingLayer((model.get_input_embeddings(),))}
    base = getattr(model, model.base_model_prefix, model)
    block = getattr(base, "embeddings", None)
    position = getattr(block, "position_embeddings", None) or getattr(base, "wpe", None)
    if isinstance(position, nn.Module):
        layers[pb.EMBEDDING_LAYER_POSITION] = EmbeddingLayer((position,))
    if isinstance(block, nn.Module):
        layers[pb.EMBEDDING_LAYER_ALL] = EmbeddingLayer((block,))
    return layers


def layer_outputs(
    model: PreTrainedModel, layer: EmbeddingLayer, inputs: Mapping[str, Tensor]
) -> list[Tensor]:
    """What the layer puts out for inputs of one row, (T, d) for each look-up; the pass goes no further.

    Raises:
        LookupCountError: the forward pass makes fewer look-ups.
    """
    seen: list[Tensor] = []

    def keep(_module: nn.Module, _args: Any, output: Tensor) -> None:
        seen.append(output.reshape(-1, output.shape[-1]))
        if len(seen) == len(layer.shifts):
            raise _OutputsSeenError

    with ExitStack() as hooks, torch.no_grad():
        for module in layer.modules:
            hooks.callback(module.register_forward_hook(keep).remove)
        try:
            model(**inputs)
        except _OutputsSeenError:
            return seen
    raise LookupCountError(_count_message(len(seen), len(layer.shifts)))


@contextmanager
def replaced_outputs(layer: EmbeddingLayer, outputs: Sequence[Tensor]) -> Iterator[None]:
    """Within it, the layer's look-ups put out `outputs`, one after the other, whatever they are given.

    Raises:
        LookupCountError: at the end, if there were not as many look-ups as outputs.
    """
    uses = 0

    def replace(_module: nn.Module, _args: Any, output: Tensor) -> Tensor:
        nonlocal uses
        uses += 1
        return outputs[uses - 1] if uses <= len(outputs) else output

    with ExitStack() as hooks:
        for module in layer.modules:
            hooks.callback(module.register_forward_hook(replace).remove)
        yield
    if uses != len(outputs):
        raise LookupCountError(_count_message(uses, len(outputs)))


def _count_message(uses: int, expected: int) -> str:
    return f"a forward pass uses the embedding layer {uses} times, not {expected}"
