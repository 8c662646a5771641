"""Models that choose their kind of attention by an input's length, and would never change it back.

BigBird turns from block-sparse to full attention with the first short input, for good: what it then says of
a long input depends on what it was asked before.
"""

from typing import Any, Protocol, cast

from torch import Tensor, nn
from transformers import PreTrainedModel


class _Choosing(Protocol):
    """The part of such a model that chooses."""

    attention_type: str

    def set_attention_type(self, value: str) -> None:
        """Exchange the attention of every layer."""
        ...


def attention_depends_on_length(network: PreTrainedModel) -> bool:
    """Whether the padded length of a batch decides what the model computes for its rows."""
    return _choosing_part(network) is not None


def forget_other_lengths(network: PreTrainedModel) -> None:
    """Give each input the attention that a fresh model would, whatever came before it."""
    part = _choosing_part(network)
    if part is not None:
        _AttentionKeeper(part).watch(network)


class _AttentionKeeper:
    def __init__(self, part: _Choosing) -> None:
        self._part = part
        self._configured = part.attention_type
        self._longest_changed = 0

    def watch(self, network: nn.Module) -> None:
        network.register_forward_pre_hook(self._before, with_kwargs=True)
        network.register_forward_hook(self._after, with_kwargs=True)

    def _before(self, _network: nn.Module, _args: Any, inputs: dict[str, Tensor]) -> None:
        # Exchanging the attention costs time, so it is not done where the model would only change it again.
        if inputs["input_ids"].shape[1] > self._longest_changed:
            self._part.set_attention_type(self._configured)

    def _after(self, _network: nn.Module, _args: Any, inputs: dict[str, Tensor], _output: Any) -> None:
        if self._part.attention_type != self._configured:
            self._longest_changed = max(self._longest_changed, inputs["input_ids"].shape[1])


def _choosing_part(network: PreTrainedModel) -> _Choosing | None:
    """The outermost module that chooses; None where nothing does, or where it is full from the start."""
    found = (module for module in network.modules() if hasattr(module, "set_attention_type"))
    part = next(found, None)
    # As configured: inputs may have changed it meanwhile.
    kind = getattr(getattr(part, "config", None), "attention_type", "original_full")
    return None if kind == "original_full" else cast(_Choosing, part)
