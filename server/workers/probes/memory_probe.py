"""How much memory a model's rows take, measured once when it is loaded."""

import time

import numpy as np
import torch
from torch import Tensor

from ligserve.server.workers.engine.spec import PathSpec
from ligserve.server.workers.models.loaded import LoadedModel
from ligserve.server.workers.models.row_memory import RowMemory
from ligserve.server.workers.probes.longer_rows import ever_longer
from ligserve.server.workers.probes.precision_probe import probe_spec

# So many lengths are tried at least, and more as long as all together have taken less than so long. Exact
# counts, so a few of them give the whole curve.
ENOUGH = 3
MOST_SECONDS = 0.1


def learnt_row_memory(model: LoadedModel) -> RowMemory:
    """What autograd keeps for a row, as a + b T + c T^2 of its tokens; nothing if no row could be tried."""
    spec = probe_spec(model)
    if spec is None:
        return RowMemory()
    kept: dict[int, int] = {}
    started = time.perf_counter()
    for each in ever_longer(spec):
        if len(kept) >= ENOUGH and time.perf_counter() - started > MOST_SECONDS:
            break
        try:
            kept[each.tokens] = kept_bytes(each)
        except Exception:  # whatever a model's code raises of longer rows
            break
    return _curve(kept)


def kept_bytes(spec: PathSpec) -> int:
    """Of all distinct memory that is kept for the backward pass of one row, the model's own left out."""
    network = spec.model.network
    known = {_place(tensor) for tensor in (*network.parameters(), *network.buffers())}
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: Tensor) -> Tensor:
        if _place(tensor) not in known:
            # The storage itself, so that no other takes its place.
            kept[_place(tensor)] = tensor.untyped_storage()
        return tensor

    moved = [end[None].clone().requires_grad_() for _, end in spec.ends()]
    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        spec.run([spec.row], moved)
    return sum(storage.nbytes() for storage in kept.values())


def _place(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _curve(kept: dict[int, int]) -> RowMemory:
    """Through the longest rows; in proportion to the tokens where only one was tried."""
    if not kept:
        return RowMemory()
    lengths = sorted(kept)[-ENOUGH:]
    if len(lengths) == 1:
        return RowMemory(of_token=kept[lengths[0]] / lengths[0], longest=lengths[0])
    found = np.polyfit(lengths, [kept[length] for length in lengths], len(lengths) - 1)[::-1]
    of_row, of_token, of_pair = (*map(float, found), 0.0)[:3]
    return RowMemory(of_row, of_token, of_pair, longest=lengths[-1])
