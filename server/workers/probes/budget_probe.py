"""How long a model's batches take, and how many tokens one had best hold: tried out when it is loaded."""

import dataclasses
import time
from collections.abc import Sequence
from itertools import takewhile
from typing import NamedTuple

import torch
from torch import Tensor

from ligserve.server.workers.engine.spec import PathSpec
from ligserve.server.workers.failures import is_out_of_memory
from ligserve.server.workers.models.loaded import LoadedModel
from ligserve.server.workers.probes.longer_rows import ever_longer
from ligserve.server.workers.probes.precision_probe import probe_spec

FEWEST, MOST = 512, 1 << 16
# Twice the tokens are worth it where they are done so much faster,
WORTH = 1.1
# and more are tried as long as all tries together take about so long; so batches stay short, too, and others
# get their turn. Slower models have a CPU's cores full of work with the fewest.
MOST_SECONDS = 0.1
# The least time of so many tries counts: others may run on this machine.
TRIES = 2
# Below the fewest tokens every batch has so many times the rows of the one before. Two tell what a token and
# what any batch takes.
MORE_ROWS = 4
ENOUGH = 2
# Forward, and backward.
PASSES = 2


class _Try(NamedTuple):
    """A batch: the budget that it fills (0: less than any), its token passes and seconds."""

    budget: int
    passes: int
    seconds: float


def with_trial(model: LoadedModel, most: int = MOST) -> LoadedModel:
    """The model with what batches of up to `most` tokens took, and how many one had best hold by that.

    The budget is rows x padded length from which on larger batches are no faster, as far as a trial tells.
    """
    tried: list[_Try] = []
    spec = probe_spec(model)
    try:
        if spec is not None:
            _try_few(spec, tried, min(most, FEWEST))
            _try_budgets(spec, tried, min(most, MOST))
            _try_long_row(spec, tried, most)
    except Exception as error:  # of memory there is no more, then
        if not is_out_of_memory(error):
            raise
    best = max((each.budget / each.seconds for each in tried), default=0.0)
    budgets = (each.budget for each in tried if each.budget and WORTH * each.budget / each.seconds >= best)
    budget = next(budgets, FEWEST)
    usual = tuple(sorted((each.passes, each.seconds) for each in tried if each.budget <= budget))
    return dataclasses.replace(model, token_budget=budget, batches_tried=usual)


def _try_few(spec: PathSpec, tried: list[_Try], most: int) -> None:
    """Batches of less than the most tokens, ENOUGH of them however slow they are."""
    ends, rows, spent = [end for _, end in spec.ends()], 1, 0.0
    # The first of all takes longer than the next.
    _seconds(spec, ends, rows)
    while rows * spec.tokens < most and (len(tried) < ENOUGH or spent < MOST_SECONDS):
        tries = [_seconds(spec, ends, rows) for _ in range(TRIES)]
        tried.append(_Try(0, PASSES * rows * spec.tokens, min(tries)))
        rows, spent = MORE_ROWS * rows, spent + sum(tries)


def _try_budgets(spec: PathSpec, tried: list[_Try], most: int) -> None:
    """Batches of ever more tokens, from the fewest on."""
    ends, tokens, spent, best = [end for _, end in spec.ends()], FEWEST, 0.0, 0.0
    # What the first batch would take at most.
    seconds = PASSES * FEWEST * tried[-1].seconds / tried[-1].passes if tried else 0.0
    while tokens <= most and spent + TRIES * seconds <= MOST_SECONDS:
        rows = max(1, tokens // spec.tokens)
        tries = [_seconds(spec, ends, rows) for _ in range(TRIES)]
        spent, seconds = spent + sum(tries), min(tries)
        tried.append(_Try(tokens, PASSES * rows * spec.tokens, seconds))
        best = max(best, tokens / seconds)
        if tokens / seconds < best / WORTH:
            return
        tokens *= 2


def _try_long_row(spec: PathSpec, tried: list[_Try], most: int) -> None:
    """The longest row that should take little, by the other tries: a token of a long text takes more time."""
    if not tried:
        return
    of_pass = tried[-1].seconds / tried[-1].passes
    most = min(most, int(MOST_SECONDS / (PASSES * of_pass)))
    fitting = list(takewhile(lambda row: row.tokens <= most, ever_longer(spec)))
    if not fitting or fitting[-1].tokens <= spec.tokens:
        return
    row = fitting[-1]
    try:
        ends = [end for _, end in row.ends()]
        tries = [_seconds(row, ends, 1) for _ in range(TRIES)]
    except Exception:  # whatever a model's code raises of longer rows
        return
    tried.append(_Try(0, PASSES * row.tokens, min(tries)))


def _seconds(spec: PathSpec, ends: Sequence[Tensor], rows: int) -> float:
    """The time that a point of so many rows takes, forward and backward."""
    moved = [end.expand(rows, *end.shape).clone().requires_grad_() for end in ends]
    started = time.perf_counter()
    with torch.enable_grad():
        logits = spec.run([spec.row] * rows, moved)
    for part in torch.autograd.grad(logits.sum(), moved):
        part[-1, -1, -1].item()  # a GPU's work is done once a number of it is here
    return time.perf_counter() - started
