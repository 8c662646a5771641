"""How many tokens a batch of a model had best hold, found out by trying some when it is loaded."""

import time
from collections.abc import Sequence

import torch
from torch import Tensor

from ligserve.server.workers.engine.spec import PathSpec
from ligserve.server.workers.failures import is_out_of_memory
from ligserve.server.workers.models.loaded import LoadedModel
from ligserve.server.workers.probes.precision_probe import probe_spec

FEWEST, MOST = 512, 1 << 16
# Twice the tokens are worth it where they are done so much faster,
WORTH = 1.1
# and more are tried as long as all tries together take about so long; so batches stay short, too, and others
# get their turn. Slower models have a CPU's cores full of work with the fewest.
MOST_SECONDS = 0.1
# The least time of so many tries counts: others may run on this machine.
TRIES = 2
FEW_ROWS = 8


def learnt_budget(model: LoadedModel) -> int:
    """Rows x padded length from which on larger batches are no faster, as far as a short trial tells."""
    spec = probe_spec(model)
    if spec is None:
        return FEWEST
    rates: dict[int, float] = {}
    try:
        _measure(spec, rates)
    except Exception as error:  # of memory there is no more, then
        if not is_out_of_memory(error):
            raise
    best = max(rates.values(), default=0.0)
    return next((tokens for tokens, rate in rates.items() if WORTH * rate >= best), FEWEST)


def _measure(spec: PathSpec, rates: dict[int, float]) -> None:
    """Fill in the tokens a second of batches of ever more tokens."""
    ends, tokens = [end for _, end in spec.ends()], FEWEST
    spent = _seconds(spec, ends, 1)
    # What the first batch would take at most.
    seconds = _seconds(spec, ends, FEW_ROWS) * FEWEST / (FEW_ROWS * spec.tokens)
    while tokens <= MOST and spent + 2 * seconds <= MOST_SECONDS:
        tries = [_seconds(spec, ends, max(1, tokens // spec.tokens)) for _ in range(TRIES)]
        spent, seconds = spent + sum(tries), min(tries)
        rates[tokens] = tokens / seconds
        if rates[tokens] < max(rates.values()) / WORTH:
            return
        tokens *= 2


def _seconds(spec: PathSpec, ends: Sequence[Tensor], rows: int) -> float:
    """The time that a point of so many rows takes, forward and backward."""
    moved = [end.expand(rows, *end.shape).clone().requires_grad_() for end in ends]
    started = time.perf_counter()
    with torch.enable_grad():
        logits = spec.run([spec.row] * rows, moved)
    for part in torch.autograd.grad(logits.sum(), moved):
        part[-1, -1, -1].item()  # a GPU's work is done once a number of it is here
    return time.perf_counter() - started
