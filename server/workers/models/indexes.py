"""Look-ups beyond a table's end, told before they happen: on a GPU they would end the whole process."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import cast

from torch import Tensor, nn


@contextmanager
def checked_indexes(network: nn.Module) -> Iterator[None]:
    """Within it, a look-up of a row that a table does not have raises; each one waits for the device.

    Raises:
        IndexError: naming the table.
    """
    with ExitStack() as hooks:
        for name, module in network.named_modules():
            # Tables of a kind of their own may be handed something else than rows.
            if type(module) is nn.Embedding:
                hooks.callback(module.register_forward_pre_hook(_check(name)).remove)
        yield


def _check(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
    def check(table: nn.Module, args: tuple[Tensor, ...]) -> None:
        rows = cast(nn.Embedding, table).num_embeddings
        lowest, highest = (int(bound) for bound in args[0].aminmax())
        if lowest < 0 or highest >= rows:
            asked = lowest if lowest < 0 else highest
            raise IndexError(f"{name} has {rows} rows, it is asked for row {asked}")

    return check
