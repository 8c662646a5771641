"""A network whose matrices are rounded to 16 bits, beside the one of float32."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from transformers.pytorch_utils import Conv1D

_WITH_MATRICES = (nn.Linear, nn.Conv1d, nn.Conv2d, Conv1D)


class RoundedMatrices:
    """Copies of a network's matrices in 16 bits, made when they are first needed and kept.

    Everything else (embeddings, normalisations) stays the network's own: rounding that too makes gradients
    more than twice as wrong and the passes no faster. Half the matrices' memory buys that no pass rounds
    them anew, which costs batches of a few short rows a sixth of their time.
    """

    def __init__(self) -> None:
        self._copies: dict[tuple[nn.Module, torch.dtype], dict[str, Tensor]] = {}

    def prepare(self, network: nn.Module, dtype: torch.dtype) -> None:
        """Make the copies, if they are not there."""
        if (network, dtype) not in self._copies:
            self._copies[network, dtype] = _rounded(network, dtype)

    def run(self, network: nn.Module, inputs: Mapping[str, Tensor], dtype: torch.dtype) -> Any:
        """The network's output, with matrix products of numbers of `dtype`."""
        self.prepare(network, dtype)
        with torch.autocast(next(iter(inputs.values())).device.type, dtype):
            return functional_call(
                network, self._copies[network, dtype], kwargs=dict(inputs), tie_weights=False
            )


def _rounded(network: nn.Module, dtype: torch.dtype) -> dict[str, Tensor]:
    return {
        f"{name}.{part}": parameter.to(dtype)
        for name, module in network.named_modules()
        if isinstance(module, _WITH_MATRICES)
        for part, parameter in module.named_parameters(recurse=False)
    }
