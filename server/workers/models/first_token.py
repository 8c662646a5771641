"""Encoders of which the head reads the first token alone: their last layer needs no other's output.

What follows attention in a layer looks at each token by itself, and is most of a layer's work. It is left out
where gradients are worked out; a forward pass alone stays the deployed model's to the last digit.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

# How lists of layers are called, and in a layer what comes after attention: it takes what attention has put
# out, and the layer's input, for all tokens; nothing later takes either.
_LISTS = ("encoder.layer", "transformer.layer")
_AFTER_ATTENTION = ("attention.output", "attention.LayerNorm", "sa_layer_norm")
# Logits may move by this much, relative to 1 + their size: matrix products of fewer rows round otherwise.
_TOLERANCE = 1e-5


def keep_first_token(network: nn.Module, logits: Callable[[], Tensor]) -> bool:
    """Have the last layer go on with the first token alone after its attention, where no other is read.

    So it does in passes that keep a graph.

    Args:
        network: the model.
        logits: runs the model on some row of several tokens.

    Returns:
        Whether it does so from now on: it is known where, and the logits do not depend on the others.
    """
    module = _after_last_attention(network)
    if module is None or not _only_first_is_read(module, logits):
        return False
    with torch.no_grad():
        whole = logits()
    handle = module.register_forward_pre_hook(_first_token)
    try:
        with torch.enable_grad():
            alone = logits().detach()
        if whole.shape == alone.shape and bool(
            ((whole - alone).abs() <= _TOLERANCE * (1 + whole.abs())).all()
        ):
            return True
    except Exception:  # whatever a model's code raises of a row of one token
        pass
    handle.remove()
    return False


def _after_last_attention(network: nn.Module) -> nn.Module | None:
    modules = dict(network.named_modules())
    for name, layers in modules.items():
        if name.endswith(_LISTS) and isinstance(layers, nn.ModuleList) and len(layers):
            last = f"{name}.{len(layers) - 1}"
            found = (modules.get(f"{last}.{each}") for each in _AFTER_ATTENTION)
            return next((module for module in found if module is not None), None)
    return None


def _only_first_is_read(module: nn.Module, logits: Callable[[], Tensor]) -> bool:
    """Whether the logits have no derivative at all by what the module puts out for the others."""
    outputs: list[Tensor] = []

    def take(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        outputs.append(output.detach().requires_grad_())
        return outputs[-1]

    handle = module.register_forward_hook(take)
    try:
        with torch.enable_grad():
            found = logits()
        (output,) = outputs
        slopes = [torch.autograd.grad(each, output, retain_graph=True)[0] for each in found.flatten()]
    except Exception:  # it is called otherwise, or more than once
        return False
    finally:
        handle.remove()
    return output.ndim == 3 and all(
        bool(each[:, :1].any()) and not bool(each[:, 1:].any()) for each in slopes
    )


def _first_token(_module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...] | None:
    if not torch.is_grad_enabled():
        return None
    return tuple(each[:, :1] if isinstance(each, Tensor) else each for each in inputs)
