"""Points of paths that were integrated lately, for those who ask about the same input again."""

import weakref
from collections import OrderedDict

from ligserve.server.workers.engine.kept_path import KeptPath
from ligserve.server.workers.engine.spec import PathSpec


class KeptPoints:
    """The points of the paths that were asked about last, for each model by itself.

    Args:
        most_bytes: most memory for the points of one model; 0 keeps none.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._models: dict[str, _KeptOfModel] = {}

    @property
    def keeps(self) -> bool:
        """Whether any are kept."""
        return self._most_bytes > 0

    @property
    def bytes(self) -> int:
        """About what the points of all models take."""
        return sum(each.bytes for each in self._models.values())

    @property
    def paths(self) -> int:
        """The paths that have points, or may get some."""
        return sum(map(len, self._models.values()))

    def has(self, spec: PathSpec) -> bool:
        """Whether any point of a path is known."""
        model, key = self._models.get(spec.model.name), spec.identity if self.keeps else None
        return model is not None and key is not None and model.has(key)

    def of(self, spec: PathSpec, owner: object, least_bytes: int = 0) -> KeptPath | None:
        """The points of a path, none at first; None where none can be kept.

        Args:
            spec: the path.
            owner: whose path it is now; paths of one owner do not drive each other out.
            least_bytes: what its points will take at least; too many would drive out all others for nothing.
        """
        key = spec.identity if least_bytes < self._most_bytes else None
        if key is None:
            return None
        return self._models.setdefault(spec.model.name, _KeptOfModel(self._most_bytes)).of(key, owner)


class _KeptOfModel:
    """The paths of one model that have points, the one asked about last at the end.

    Args:
        most_bytes: most memory for their points.

    Attributes:
        bytes: about what they take.
    """

    def __init__(self, most_bytes: int) -> None:
        self.bytes = 0
        self._most_bytes = most_bytes
        self._paths: OrderedDict[KeptPath, None] = OrderedDict()
        # Also those that have no point yet; they are forgotten with the last request that may give them one.
        self._every: weakref.WeakValueDictionary[bytes, KeptPath] = weakref.WeakValueDictionary()

    def __len__(self) -> int:
        return len(self._every)

    def has(self, key: bytes) -> bool:
        """Whether any point of the path with this identity is known."""
        return self._every.get(key) in self._paths

    def of(self, key: bytes, owner: object) -> KeptPath:
        """The points of the path with this identity."""
        kept = self._every.get(key)
        if kept is None or kept.closed:
            kept = self._every[key] = KeptPath(self._grew)
        elif kept in self._paths:
            self._paths.move_to_end(kept)
        kept.owner = weakref.ref(owner)
        return kept

    def _grew(self, kept: KeptPath, size: int) -> None:
        """Count what a path has taken, and forget those asked about the longest ago, as far as needed.

        Of a long text that is larger than the memory the first windows stay: the others would drive them out
        one after the other, and be driven out by them when the text is asked about again.
        """
        self._paths.setdefault(kept)
        kept.bytes += size
        self.bytes += size
        while self.bytes > self._most_bytes:
            oldest = next(iter(self._paths))
            self._forget(kept if oldest.owner is kept.owner else oldest)

    def _forget(self, kept: KeptPath) -> None:
        del self._paths[kept]
        kept.close()
        self.bytes -= kept.bytes
