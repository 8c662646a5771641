"""How many rows a batch of each model may hold, and which rows no batch can hold."""

import math
import time

import torch

from ligserve.server.errors import ResourceExhaustedError
from ligserve.server.logs import logger
from ligserve.server.workers.engine.free_memory import free_memory, own_memory
from ligserve.server.workers.engine.spec import PathSpec
from ligserve.server.workers.models.limits import WINDOW_WITHOUT_LIMIT
from ligserve.server.workers.models.loaded import LoadedModel, TextModel
from ligserve.server.workers.models.precision import MATRIX_TYPES

_log = logger("ligserve.engine")

# What rows keep for their backward pass may take this share of the memory that is free. At its peak a batch
# takes up to twice as much as that, three times with a single layer; with more layers less.
MEMORY_SHARE = 1 / 3
# Looking costs a part of a millisecond. What was free so many seconds ago is good enough for a batch that
# takes less than so much of it.
FRESH_S = 0.5
LITTLE = 0.1
MIB = 1 << 20


class Budgets:
    """Token budgets, what memory has taught of them, and the memory that is free.

    What was taught never grows again.

    Args:
        asked: most rows x padded length in a batch of any model; 0: what each model's probe has found.
    """

    def __init__(self, asked: int = 0) -> None:
        self._asked = asked
        self._fitting: dict[str, int] = {}
        self._free = 0.0
        self._seen_at = -math.inf

    def of(self, model: LoadedModel) -> int:
        """Most rows x padded length in a batch of a model."""
        found = self._asked or model.token_budget
        return min(found, self._fitting.get(model.name, found))

    def rows(self, model: LoadedModel, tokens: int) -> int:
        """Most rows of so many tokens in a batch of points, as budget and free memory have it; at least 1."""
        most, kept = max(1, self.of(model) // tokens), model.row_memory.bytes(tokens)
        room = MEMORY_SHARE * self._free_for(most * kept, model.device)
        return most if most * kept <= room else max(1, int(room / kept))

    def check_row(self, spec: PathSpec) -> None:
        """Refuse a row that would not fit if the worker had nothing else in its memory.

        Only what is kept for the backward pass counts, which is less than the peak: what fits is not refused.

        Raises:
            ResourceExhaustedError: it would not.
        """
        model = spec.model
        # What is rounded takes half at least.
        kept = model.row_memory.bytes(spec.tokens) / (2 if spec.precision in MATRIX_TYPES else 1)
        free = self._free_for(kept, model.device)
        if kept > free and kept > (most := free + own_memory(model.device)):
            raise _too_large(spec, kept, most)

    def halve(self, model: LoadedModel, tokens: int) -> None:
        """Learn that a batch of so many did not fit the memory, with nothing else in it."""
        budget = max(1, tokens // 2)
        if budget < self.of(model):
            self._fitting[model.name] = budget
            _log.warning("token_budget_halved", model=model.name, tokens=tokens, token_budget=budget)

    def _free_for(self, wanted: float, device: torch.device) -> float:
        now = time.monotonic()
        if now > self._seen_at + FRESH_S or wanted > LITTLE * self._free:
            self._free, self._seen_at = free_memory(device), now
        return self._free


def _too_large(spec: PathSpec, needed: float, most: float) -> ResourceExhaustedError:
    model, tokens = spec.model, spec.tokens
    unlimited = isinstance(model, TextModel) and not model.max_tokens
    remedy = (
        "set long_input (options.long_input) to window, which explains a long text part by part"
        if unlimited and tokens > WINDOW_WITHOUT_LIMIT
        else "send a shorter one"
    )
    return ResourceExhaustedError(
        f"the worker's memory does not hold one row of this input: the gradients of its {tokens} tokens take "
        f"model '{model.name}' about {needed / MIB:.0f} MiB, and {most / MIB:.0f} MiB can be free; {remedy}",
        reason="OUT_OF_MEMORY",
    )
