"""Which points share the next batch."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from ligserve.server.workers.engine.path import Path

# Paths share a batch only if the shorter one's rows are at least this full.
MIN_FILL = 0.75
# Every target of a row is a backward pass; a batch with many more is cut, so that others get their turn.
OUTPUTS_PER_PASS = 8


@dataclass(frozen=True)
class Slice:
    """Some points of one path, in a batch."""

    path: Path
    alphas: list[float]


class Scheduler:
    """Takes turns between paths; fills each batch with points of other paths of similar length.

    Args:
        token_budget: most rows x padded length in a batch; one row always goes.
    """

    def __init__(self, token_budget: int) -> None:
        self._budget = token_budget
        self._paths: deque[Path] = deque()

    def __len__(self) -> int:
        return len(self._paths)

    def __iter__(self) -> Iterator[Path]:
        return iter(tuple(self._paths))

    def add(self, path: Path) -> None:
        """Admit a path."""
        self._paths.append(path)

    def remove(self, path: Path) -> None:
        """Forget a path."""
        if path in self._paths:
            self._paths.remove(path)

    def next_batch(self) -> list[Slice]:
        """Points for one batch: first those of the path that waited longest. Empty if none is due."""
        waiting = [path for path in self._paths if path.due]
        if not waiting:
            return []
        first = waiting[0]
        mates = [path for path in waiting[1:] if _may_share(first, path)]
        mates.sort(key=lambda path: abs(path.spec.tokens - first.spec.tokens))
        batch = self._fill([first, *mates])
        for piece in batch:
            self._paths.remove(piece.path)
            self._paths.append(piece.path)
        return batch

    def _fill(self, paths: list[Path]) -> list[Slice]:
        batch: list[Slice] = []
        rows, longest, passes = 0, paths[0].spec.tokens, 1
        for path in paths:
            longest = max(longest, path.spec.tokens)
            passes = max(passes, -(-len(path.outputs) // OUTPUTS_PER_PASS))
            room = max(self._budget // (longest * passes) - rows, 0 if batch else 1)
            if room <= 0:
                break
            alphas = path.take(room)
            batch.append(Slice(path, alphas))
            rows += len(alphas)
        return batch


def _may_share(first: Path, other: Path) -> bool:
    lengths = sorted([first.spec.tokens, other.spec.tokens])
    return first.spec.batch_key == other.spec.batch_key and lengths[0] >= MIN_FILL * lengths[1]
