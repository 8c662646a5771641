"""The arithmetic that paths can be computed in, and which of it a device has."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeAlias

import torch

from ligserve.v1 import explanation_pb2 as pb

Precision: TypeAlias = "pb.Precision.ValueType"

# What matrices, and what they are multiplied with, are rounded to.
MATRIX_TYPES: Mapping[Precision, torch.dtype] = {
    pb.PRECISION_BFLOAT16: torch.bfloat16,
    pb.PRECISION_FLOAT16: torch.float16,
}
# From this compute capability on GPUs have TF32 and bfloat16.
_AMPERE = (8, 0)


def precision_name(precision: Precision) -> str:
    """How messages call it, such as "bfloat16"."""
    return pb.Precision.Name(precision).removeprefix("PRECISION_").lower()


def device_precisions(device: torch.device) -> list[Precision]:
    """What a device computes in, float32 first."""
    every = [precision for precision in pb.Precision.values() if precision]
    return [precision for precision in every if not device_lack(precision, device)]


def device_lack(precision: Precision, device: torch.device) -> str:
    """What a device lacks for an arithmetic; empty for nothing."""
    if precision == pb.PRECISION_FLOAT32:
        return ""
    lacks = _LACKS.get(device.type)
    return f"{device.type} devices compute in float32 alone" if lacks is None else lacks(precision, device)


@contextmanager
def tensor_cores(precision: Precision) -> Iterator[None]:
    """Within it, a GPU multiplies matrices of float32 in TF32 if that is asked for, else exactly.

    The switch is the process's, so the engine's thread alone may enter.
    """
    matmul, convolution = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, convolution.allow_tf32
    matmul.allow_tf32 = convolution.allow_tf32 = precision == pb.PRECISION_TF32
    try:
        yield
    finally:
        matmul.allow_tf32, convolution.allow_tf32 = before


def _cpu_lack(precision: Precision, _device: torch.device) -> str:
    if precision != pb.PRECISION_BFLOAT16:
        return "it takes a GPU"
    # Without these instructions bfloat16 is emulated, and far slower than float32.
    known: Sequence[Callable[[], bool]] = [
        getattr(torch.cpu, name, lambda: False)
        for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    ]
    return "" if any(has() for has in known) else "this CPU has neither AVX-512 BF16 nor AMX"


def _gpu_lack(precision: Precision, device: torch.device) -> str:
    if precision == pb.PRECISION_FLOAT16:
        return ""
    enough = torch.cuda.get_device_capability(device) >= _AMPERE
    return "" if enough else "it takes a GPU of compute capability 8 or above"


_LACKS: Mapping[str, Callable[[Precision, torch.device], str]] = {"cpu": _cpu_lack, "cuda": _gpu_lack}
