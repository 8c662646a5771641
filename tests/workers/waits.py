"""Operations that make the host wait for a GPU, found on a CPU: torch tells of each operation."""

import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from ligserve.server.workers.models.known_mask import known_mask
from ligserve.server.workers.models.transfer import Arrived, DirectTransfer

# A number is read, or the shape of a result depends on numbers.
WAITING = {"_local_scalar_dense", "nonzero", "masked_select", "equal", "is_nonzero", "_unique2", "unique_dim"}
# By a mask. (In the backward pass such an index is another operation, of whoever made the index.)
INDEXING = {"index", "index_put_"}
# Python's numbers become a tensor: on a device, by a copy from memory that is not pinned.
FROM_NUMBERS = {"lift_fresh"}


class Waits(TorchDispatchMode):
    """Notes what would wait for a device.

    Attributes:
        own: by ligserve's code.
        of_network: by the code of the network alone.
    """

    def __init__(self) -> None:
        super().__init__()
        self.own: list[str] = []
        self.of_network: list[str] = []
        self._inside = 0
        self._from_numbers: dict[int, str] = {}
        # The tensors themselves, so that their memory is nobody else's.
        self._known: dict[int, Tensor] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        name = func.overloadpacket.__name__
        result = func(*args, **(kwargs or {}))
        on_host = self._on_host(args)
        if on_host and isinstance(result, Tensor):
            self.known(result)
        if (name in WAITING and not on_host) or (name in INDEXING and _by_mask(args)):
            self._note(name)
        if name in FROM_NUMBERS and not self._inside:
            self._from_numbers[result.data_ptr()] = _where()
        return result

    def _note(self, name: str) -> None:
        if self._inside:
            self.of_network.append(name)
        else:
            self.own.append(f"{name} {_where()}")

    def _on_host(self, args: Sequence[Any]) -> bool:
        """Whether all that an operation works on has stayed on the host."""
        tensors = [each.data_ptr() for each in args if isinstance(each, Tensor)]
        return bool(tensors) and all(each in self._known for each in tensors)

    def known(self, tensor: Tensor) -> None:
        """A tensor stays on the host."""
        self._known[tensor.data_ptr()] = tensor

    def sent(self, tensor: Tensor) -> None:
        """A tensor goes to the device as it should."""
        self._from_numbers.pop(tensor.data_ptr(), None)

    @property
    def not_sent(self) -> list[str]:
        """Where tensors were made of Python's numbers that did not go to the device as they should."""
        return list(self._from_numbers.values())

    @contextmanager
    def watching(self, network: nn.Module) -> Iterator[None]:
        """Within it, all operations are noted, those of the network apart."""

        def enter(*_: object) -> None:
            self._inside += 1

        def leave(*_: object) -> None:
            self._inside -= 1

        # The look at the embeddings leaves a forward pass by an exception.
        hooks = [
            network.register_forward_pre_hook(enter),
            network.register_forward_hook(leave, always_call=True),
        ]
        try:
            with self:
                yield
        finally:
            for hook in hooks:
                hook.remove()


class WatchedTransfer(DirectTransfer):
    """Tells of what is sent; what is fetched stays as it is, as it would until the device comes to it."""

    def __init__(self, waits: Waits) -> None:
        super().__init__()
        object.__setattr__(self, "_waits", waits)
        self._waits: Waits

    def send(self, tensor: Tensor) -> Tensor:
        self._waits.sent(tensor)
        return tensor.clone()

    def send_mask(self, mask: Tensor) -> Tensor:
        sent = known_mask(mask, self.send(mask))
        for answer in sent.answers.values():
            self._waits.known(answer)
        return sent

    def fetch(self, tensors: Sequence[Tensor]) -> Arrived:
        return Arrived(list(tensors))


def _by_mask(args: Sequence[Any]) -> bool:
    indexes = args[1] if len(args) > 1 and isinstance(args[1], list | tuple) else []
    return any(isinstance(each, Tensor) and each.dtype == torch.bool for each in indexes)


def _where() -> str:
    frames = [frame for frame in traceback.extract_stack() if "/server/workers/" in frame.filename]
    return f"in {frames[-1].name}, line {frames[-1].lineno}" if frames else "elsewhere"
