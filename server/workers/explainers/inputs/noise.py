"""Noisy copies of an image, with the very noise of captum's NoiseTunnel."""

import dataclasses
from collections.abc import Iterator

import torch
from torch import Tensor

from ligserve.server.workers.engine.pixel_path import PIXELS, PixelPathSpec

# captum draws the noise of all copies at once. torch fills a tensor in blocks of 16 numbers, so that drawing
# 16 copies at a time gives the same ones whatever the shape is, and holds no more of them.
COPIES_PER_DRAW = 16


def noisy_copies(clean: PixelPathSpec, samples: int, stdev: float, seed: int) -> Iterator[PixelPathSpec]:
    """Paths to noisy copies of the image, made as they are asked for.

    Args:
        clean: the path to the image.
        samples: number of copies.
        stdev: standard deviation of the noise, in units of the pixel values.
        seed: of the noise, as captum draws it on the CPU after torch.manual_seed(seed).
    """
    pixels = clean.row[PIXELS]
    for noise in _noise(tuple(pixels.shape), samples, stdev, seed):
        yield dataclasses.replace(clean, row={**clean.row, PIXELS: pixels + noise})


def _noise(shape: tuple[int, ...], samples: int, stdev: float, seed: int) -> Iterator[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    for first in range(0, samples, COPIES_PER_DRAW):
        count = min(COPIES_PER_DRAW, samples - first)
        yield from torch.normal(0.0, torch.full((count, *shape), stdev), generator=generator)
