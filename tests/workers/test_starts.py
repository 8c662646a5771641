"""Starts of paths that are taken for the same: their outputs are."""

import dataclasses
from collections.abc import Iterator

import pytest
import torch

from ligserve.server.workers.engine.embedding_path import EmbeddingPathSpec
from ligserve.server.workers.engine.forward import end_logits
from tests.workers.conftest import LoadZoo
from tests.workers.test_engine import TEXT, spec_of
from tests.zoo import ARCHITECTURES

START = 0


def with_token(spec: EmbeddingPathSpec, place: int, token: int) -> EmbeddingPathSpec:
    ids = spec.row["input_ids"].clone()
    ids[place] = token
    return dataclasses.replace(spec, row={**spec.row, "input_ids": ids})


def others(spec: EmbeddingPathSpec) -> Iterator[EmbeddingPathSpec]:
    """The path of a text with another token in some place, special ones among them."""
    tokens = {int(spec.row["input_ids"][2]), *spec.model.tokenizer.all_special_ids}
    for place in (0, 1, spec.length // 2, spec.length - 2, spec.length - 1):
        for token in tokens:
            yield with_token(spec, place, token)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_starts_with_equal_keys_have_equal_outputs(load_zoo: LoadZoo, name: str) -> None:
    spec = spec_of(load_zoo(name), TEXT)
    (expected,) = end_logits([spec], START)
    alike = [other for other in others(spec) if other.start_key == spec.start_key]
    assert len(alike) >= 2, "of texts of plain tokens"
    for other in alike:
        (found,) = end_logits([other], START)
        assert torch.allclose(found, expected, rtol=0, atol=1e-6), other.row["input_ids"]
