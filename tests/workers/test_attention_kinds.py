"""Attention is torch's own (SDPA), which has fused kernels, wherever transformers offers it."""

from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode

from ligserve.server.workers.explainers.inputs.faithful_text import faithful_input
from tests.workers.conftest import LoadZoo
from tests.zoo import ARCHITECTURES

# transformers writes their attention out.
WITHOUT = {"mpnet", "deberta", "deberta-v2", "deberta-v3", "longformer", "big-bird", "xlnet"}


class Calls(TorchFunctionMode):
    """Counts calls of torch's attention."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += func is torch.nn.functional.scaled_dot_product_attention
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_attention_is_torchs_own_where_there_is_one(load_zoo: LoadZoo, name: str) -> None:
    model = load_zoo(name)
    row = faithful_input(model, "The film was long.", "text", 0).row
    with torch.no_grad(), Calls() as calls:
        model.logits(model.batch([row]))
    assert bool(calls.count) == (name not in WITHOUT)
    assert bool(calls.count) == model.network._supports_sdpa
