"""Points of paths that were integrated lately, for those who ask about the same input again."""

from collections import OrderedDict, defaultdict
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ligserve.server.workers.engine.known_points import KnownPoints
from ligserve.server.workers.engine.outputs import Output
from ligserve.server.workers.engine.spec import PathSpec
from ligserve.server.workers.quadrature import NodeValue

Sums = NDArray[np.floating]

# What an entry takes beside its token sums: keys, logits, the objects themselves.
OVERHEAD_BYTES = 512


class KeptPath:
    """The points of one path, by alpha.

    Attributes:
        bytes: about what they take.
        closed: whether nothing more is kept.
    """

    def __init__(self) -> None:
        self.bytes = 0
        self.closed = False
        self._logits: dict[float, Tensor] = {}
        self._sums: dict[float, dict[Output, Sums]] = defaultdict(dict)

    def put(self, alpha: float, logits: Tensor, outputs: Sequence[Output], sums: Sums) -> None:
        """Keep a point: its logits, (C,), and the token sums of some outputs, (E, T)."""
        if self.closed:
            return
        self._logits[alpha] = logits
        kept = self._sums[alpha]
        for output, row in zip(outputs, sums, strict=True):
            if output not in kept:
                kept[output] = row
                self.bytes += row.nbytes + OVERHEAD_BYTES

    def values(self, alphas: Sequence[float], needed: Sequence[Output]) -> dict[float, NodeValue]:
        """The values of the needed outputs at those of the points where they are known."""
        alike: dict[tuple[Output, ...], list[float]] = defaultdict(list)
        for alpha in alphas:
            if alpha in self._logits:
                alike[tuple(self._sums[alpha])].append(alpha)
        found: dict[float, NodeValue] = {}
        for outputs, those in alike.items():
            values = self._known(those, outputs).values(needed)
            found.update((alpha, value) for alpha, value in zip(those, values, strict=True) if value)
        return found

    def _known(self, alphas: Sequence[float], outputs: tuple[Output, ...]) -> KnownPoints:
        sums = np.stack([np.stack([self._sums[alpha][output] for output in outputs]) for alpha in alphas])
        return KnownPoints(torch.stack([self._logits[alpha] for alpha in alphas]), outputs, sums)


class KeptPoints:
    """The points of the paths that were asked about last, for each model by itself.

    Args:
        most_bytes: most memory for the points of one model; 0 keeps none.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._paths: dict[str, OrderedDict[bytes, KeptPath]] = defaultdict(OrderedDict)

    @property
    def keeps(self) -> bool:
        """Whether any are kept."""
        return self._most_bytes > 0

    def of(self, spec: PathSpec) -> KeptPath | None:
        """The points of a path, none at first; None where none can be kept."""
        key = spec.identity if self._most_bytes else None
        if key is None:
            return None
        paths = self._paths[spec.model.name]
        kept = paths.setdefault(key, KeptPath())
        paths.move_to_end(key)
        return kept

    def trim(self) -> None:
        """Forget the paths that were asked about the longest ago, as far as needed."""
        for paths in self._paths.values():
            size = sum(kept.bytes for kept in paths.values())
            while size > self._most_bytes:
                _, kept = paths.popitem(last=False)
                kept.closed = True
                size -= kept.bytes
