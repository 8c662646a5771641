"""Longer rows than a probe's own, to see what a model takes for them."""

import dataclasses
from collections.abc import Iterator

import torch

from ligserve.server.workers.engine.embedding_path import EmbeddingPathSpec
from ligserve.server.workers.engine.spec import PathSpec
from ligserve.server.workers.models.loaded import RowInputs, TextModel

# Rows of this many tokens, then of twice as many and so on.
SHORTEST, LONGEST = 16, 512


def ever_longer(spec: PathSpec) -> Iterator[PathSpec]:
    """The path as it is where it is not a text's; else with one of its tokens many times."""
    model = spec.model
    if not (isinstance(spec, EmbeddingPathSpec) and isinstance(model, TextModel)) or spec.length < 2:
        yield spec
        return
    most = min(LONGEST, model.max_tokens or LONGEST)
    tokens = min(max(SHORTEST, spec.length), most)
    while spec.length <= tokens <= most:
        yield dataclasses.replace(
            spec, row=_stretched(spec.row, tokens), baseline_row=_stretched(spec.baseline_row, tokens)
        )
        tokens *= 2


def _stretched(row: RowInputs, tokens: int) -> RowInputs:
    """With its second token so many times that it is that long: the first and the last may be special."""
    length = len(row["input_ids"])
    times = torch.ones(length, dtype=torch.long)
    times[1] += tokens - length
    return {name: values.repeat_interleave(times) for name, values in row.items()}
