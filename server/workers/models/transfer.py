"""How tensors come to a model's device, and results back to the host."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ligserve.server.workers.models.known_mask import known_mask

HOST = torch.device("cpu")


class Arrival(Protocol):
    """Results that are on their way to the host."""

    @property
    def ready(self) -> bool:
        """Whether nothing has to be waited for: they are there, or will never be."""
        ...

    def tensors(self) -> list[Tensor]:
        """The results, waited for. They may be parts of a buffer that others need: what is kept is copied.

        Raises whatever went wrong on the device meanwhile.
        """
        ...


class Transfer(Protocol):
    """Copies to one device and back."""

    def send(self, tensor: Tensor) -> Tensor:
        """A tensor of the host, on the device."""
        ...

    def send_mask(self, mask: Tensor) -> Tensor:
        """An attention mask of the host, on the device."""
        ...

    def fetch(self, tensors: Sequence[Tensor]) -> Arrival:
        """Start to bring tensors to the host; none: what arrives is that all work before is done."""
        ...


@dataclass(frozen=True)
class Arrived:
    """Results that are on the host (an Arrival)."""

    results: list[Tensor]
    ready: bool = True

    def tensors(self) -> list[Tensor]:
        """The results."""
        return self.results


@dataclass(frozen=True)
class DirectTransfer:
    """Copies that are done when the call returns; on a CPU there is nothing to copy (a Transfer)."""

    device: torch.device = HOST

    def send(self, tensor: Tensor) -> Tensor:
        """A tensor of the host, on the device."""
        return tensor.to(self.device)

    def send_mask(self, mask: Tensor) -> Tensor:
        """An attention mask of the host, on the device."""
        return self.send(mask)

    def fetch(self, tensors: Sequence[Tensor]) -> Arrived:
        """Bring tensors to the host."""
        return Arrived([tensor.cpu() for tensor in tensors])


class Mark(Protocol):
    """A place in a device's queue, such as a CUDA event."""

    def query(self) -> bool:
        """Whether the work before it is done."""
        ...

    def synchronize(self) -> None:
        """Wait until it is."""
        ...


class QueuedTransfer:
    """Copies that take their place in a GPU's queue, behind the work before them (a Transfer).

    The host goes on meanwhile: its side of a copy is pinned memory, which the GPU reads and writes by itself.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def send(self, tensor: Tensor) -> Tensor:
        """A tensor of the host, on the device once the device's queue comes to it."""
        return tensor.pin_memory().to(self._device, non_blocking=True)

    def send_mask(self, mask: Tensor) -> Tensor:
        """An attention mask of the host, on the device, of which the host still knows whether it masks."""
        return known_mask(mask, self.send(mask))

    def fetch(self, tensors: Sequence[Tensor]) -> Arrival:
        """Bring tensors to the host, all those of one type in one copy."""
        types = dict.fromkeys(tensor.dtype for tensor in tensors)
        buffers = {
            dtype: self.landing(torch.cat([each.reshape(-1) for each in tensors if each.dtype == dtype]))
            for dtype in types
        }
        shapes = [(tensor.dtype, tensor.shape) for tensor in tensors]
        return _Queued(self.mark(), buffers, shapes)

    def landing(self, flat: Tensor) -> Tensor:
        """Where on the host a flat tensor will be."""
        return torch.empty(flat.shape, dtype=flat.dtype, pin_memory=True).copy_(flat, non_blocking=True)

    def mark(self) -> Mark:
        """Mark the end of the queue."""
        # Else the host would wait with a core kept busy.
        event = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
        event.record(torch.cuda.current_stream(self._device))
        return event


@dataclass(frozen=True)
class _Queued:
    """Results that are there once the device has come to a mark (an Arrival)."""

    mark: Mark
    buffers: dict[torch.dtype, Tensor]
    shapes: Sequence[tuple[torch.dtype, torch.Size]]

    @property
    def ready(self) -> bool:
        """Whether the device has come to the mark, or has failed."""
        try:
            return self.mark.query()
        except Exception:  # raised again where the results are asked for
            return True

    def tensors(self) -> list[Tensor]:
        """The results, as parts of the buffers."""
        self.mark.synchronize()
        used = dict.fromkeys(self.buffers, 0)
        found = []
        for dtype, shape in self.shapes:
            start, used[dtype] = used[dtype], used[dtype] + shape.numel()
            found.append(self.buffers[dtype][start : used[dtype]].view(shape))
        return found


def transfer_for(device: torch.device) -> Transfer:
    """The copies that suit a device."""
    return QueuedTransfer(device) if device.type == "cuda" else DirectTransfer(device)
