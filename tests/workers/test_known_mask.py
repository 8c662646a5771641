"""A mask whose truth the host knows: to a model it is the tensor that it is."""

import pytest
import torch
from torch import Tensor

from ligserve.server.workers.models.known_mask import KnownMask, known_mask

FULL, PADDED = torch.ones(2, 4, dtype=torch.long), torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])


def elsewhere(mask: Tensor) -> Tensor:
    """As it was sent; its numbers cannot be looked at."""
    return mask.to("meta")


@pytest.mark.parametrize("mask", [FULL, PADDED])
def test_what_is_asked_of_the_whole_mask_is_known(mask: Tensor) -> None:
    known = known_mask(mask, elsewhere(mask))
    for same in (known, known.to(dtype=torch.bool), known.bool(), known.view(2, -1), known.to("meta")):
        assert bool(same.all()) == bool(mask.all())
        assert bool(same.sum() == same.numel()) == bool(mask.all())


def test_all_else_is_asked_of_the_device() -> None:
    known = known_mask(FULL, elsewhere(FULL))
    for plain in (known[:, 1:], ~known, 1 - known, known.float(), known.to(torch.float32), known.sum(dim=1)):
        assert type(plain) is Tensor
        assert plain.is_meta
    with pytest.raises(RuntimeError, match="meta"):
        bool(known.any())


def test_numbers_stay_what_they_are() -> None:
    known = known_mask(PADDED, PADDED)
    assert isinstance(known, KnownMask)
    assert torch.equal(known + 0, PADDED)
    assert torch.equal(known.to(torch.bool) & True, PADDED.bool())
    assert known.sum(dim=1).tolist() == [4, 2]
