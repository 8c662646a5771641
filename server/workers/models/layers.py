"""The embedding layers of a model, and the hooks that read or replace their output."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel


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
        time_first: whether the modules put out (T, B, d) rather than (B, T, d), as XLNet's does.
    """

    modules: tuple[nn.Module, ...]
    shifts: tuple[int, ...] = (0,)
    time_first: bool = False


def position_layer(model: PreTrainedModel) -> EmbeddingLayer | None:
    """The table of absolute positions; None where the architecture has none that can be reached."""
    base = getattr(model, model.base_model_prefix, model)
    block = getattr(base, "embeddings", None)
    table = getattr(block, "position_embeddings", None) or getattr(base, "wpe", None)
    return EmbeddingLayer((table,)) if isinstance(table, nn.Module) else None


def block_layer(model: PreTrainedModel) -> EmbeddingLayer | None:
    """The whole embeddings block, after its sum and normalisation; None where there is none."""
    block = getattr(getattr(model, model.base_model_prefix, model), "embeddings", None)
    return EmbeddingLayer((block,)) if isinstance(block, nn.Module) else None


def layer_outputs(
    model: PreTrainedModel, layer: EmbeddingLayer, inputs: Mapping[str, Tensor]
) -> list[Tensor]:
    """What the layer puts out for inputs of one row, (T, d) for each look-up; the pass goes no further.

    Raises:
        LookupCountError: the forward pass makes fewer look-ups.
    """
    seen: list[Tensor] = []
    length = inputs["input_ids"].shape[1]

    def keep(_module: nn.Module, _args: Any, output: Tensor) -> None:
        seen.append(output.reshape(-1, output.shape[-1])[:length])
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
    """Within it, the layer's look-ups put out `outputs`, (B, T, d) each, one after the other.

    What the model looks up beyond T stays (some pad every input to a multiple of a window).

    Raises:
        LookupCountError: at the end, if there were not as many look-ups as outputs.
    """
    uses = 0

    def replace(_module: nn.Module, _args: Any, output: Tensor) -> Tensor:
        nonlocal uses
        uses += 1
        return _replaced(output, outputs[uses - 1], layer) if uses <= len(outputs) else output

    with ExitStack() as hooks:
        for module in layer.modules:
            hooks.callback(module.register_forward_hook(replace).remove)
        yield
    if uses != len(outputs):
        raise LookupCountError(_count_message(uses, len(outputs)))


def _replaced(output: Tensor, by: Tensor, layer: EmbeddingLayer) -> Tensor:
    if layer.time_first:
        return by.transpose(0, 1)
    rest = output[:, by.shape[1] :]
    return torch.cat([by, rest.expand(len(by), -1, -1)], dim=1) if rest.shape[1] else by


def _count_message(uses: int, expected: int) -> str:
    return f"a forward pass uses the embedding layer {uses} times, not {expected}"
