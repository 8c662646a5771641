"""Which points share the next batch."""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from math import inf

from ligserve.server.workers.engine.budgets import Budgets
from ligserve.server.workers.engine.outputs import Output
from ligserve.server.workers.engine.path import Path
from ligserve.server.workers.engine.self_prediction import OUTPUTS_PER_TURN
from ligserve.server.workers.engine.shares import Shares
from ligserve.server.workers.engine.short_requests import ShortRequests
from ligserve.server.workers.engine.spec import PathSpec
from ligserve.v1 import explanation_pb2 as pb

# Paths share a batch only if the shorter one's rows are at least this full.
MIN_FILL = 0.75


@dataclass(frozen=True)
class Slice:
    """Some points of one path, in a batch.

    Attributes:
        path: the path.
        alphas: the points.
        outputs: what is evaluated at each of them; empty while only the path's prediction will tell.
    """

    path: Path
    alphas: list[float]
    outputs: tuple[tuple[Output, ...], ...]

    def part(self, start: int, end: int) -> "Slice":
        """Some of the points."""
        return Slice(self.path, self.alphas[start:end], self.outputs[start:end])

    @cached_property
    def distinct(self) -> list[Output]:
        """All that is evaluated, each once."""
        return list(dict.fromkeys(chain.from_iterable(dict.fromkeys(self.outputs))))

    @cached_property
    def places(self) -> list[list[int]]:
        """For each point where among `distinct` its outputs are, each once."""
        places = {output: place for place, output in enumerate(self.distinct)}
        return [list(dict.fromkeys(places[output] for output in outputs)) for outputs in self.outputs]

    @property
    def wanted(self) -> bool:
        """Whether anybody still waits for these points."""
        return not self.path.cancelled and not self.path.finished

    @property
    def ends(self) -> list[int]:
        """Which of them are ends of a path whose arithmetic is coarser than the deployed model's."""
        coarse = self.path.spec.precision != pb.PRECISION_FLOAT32
        return [number for number, alpha in enumerate(self.alphas) if coarse and alpha in (0.0, 1.0)]


class Scheduler:
    """Takes turns between paths; fills each batch with points of other paths of similar length.

    Of short requests the one that is nearest to its end is next, of others whoever has had least.

    Args:
        budgets: most rows x padded length in a batch; one row always goes.
    """

    def __init__(self, budgets: Budgets) -> None:
        self._budgets = budgets
        self._paths: deque[Path] = deque()
        self._shares = Shares()
        self._short = ShortRequests()

    def __len__(self) -> int:
        return len(self._paths)

    def __iter__(self) -> Iterator[Path]:
        return iter(tuple(self._paths))

    def add(self, path: Path) -> None:
        """Admit a path; one that is there already keeps its place."""
        self._short.arrive(path)
        if path in self._paths:
            return
        self._shares.arrive(path)
        self._paths.append(path)

    def remove(self, path: Path) -> None:
        """Forget a path."""
        if path in self._paths:
            self._paths.remove(path)
            self._short.leave(path)

    def next_batch(
        self, most_turns: int | None = None, *, short: bool | None = None, before: float = inf
    ) -> list[Slice]:
        """Points for one batch: first those of the path whose turn it is. Empty if none is due.

        Args:
            most_turns: paths whose targets take more turns wait; None: none does.
            short: whether it is a short request's turn, or another's; None: short ones go first.
            before: a place; short requests that have no earlier one wait.
        """
        places = self.places()
        waiting = [path for path in self._paths if path.due and not path.cancelled]
        if most_turns is not None:
            waiting = [path for path in waiting if _turns(path) <= most_turns]
        brief = [path for path in waiting if places.get(path.owner, inf) < before]
        others = [path for path in waiting if path.owner not in places]
        if brief and short is not False:
            first = min(brief, key=lambda path: places[path.owner])
        elif others and not short:
            first = self._shares.next_of(others)
        else:
            return []
        mates = [path for path in waiting if path is not first and _may_share(first, path)]
        # Short requests in their order, then the nearest lengths.
        mates.sort(key=lambda path: (places.get(path.owner, inf), abs(path.spec.tokens - first.spec.tokens)))
        batch = self._fill([first, *mates])
        self._send_to_the_back([piece.path for piece in batch])
        return batch

    def places(self) -> Mapping[object, float]:
        """The owners of short requests; the one with the least has the next turn."""
        return self._short.places(self._paths)

    def others_wait(self, places: Mapping[object, float]) -> bool:
        """Whether points are due that are no short request's, which have these places."""
        return any(path.due and path.owner not in places for path in self._paths if not path.cancelled)

    def _send_to_the_back(self, served: list[Path]) -> None:
        """Whoever had a turn waits for all the others, however many paths each of them has."""
        owners = {id(path.owner) for path in served}
        turns = {id(path): 2 for path in served}
        ranked = sorted(self._paths, key=lambda path: turns.get(id(path), int(id(path.owner) in owners)))
        self._paths = deque(ranked)

    def _fill(self, paths: list[Path]) -> list[Slice]:
        batch: list[Slice] = []
        rows, longest, model = 0, paths[0].spec.tokens, paths[0].spec.model
        for path in paths:
            longest = max(longest, path.spec.tokens)
            room = self._budgets.rows(model, longest) - rows
            if room <= 0:
                break
            evaluations = path.evaluations
            alphas, outputs = path.take(room)
            batch.append(Slice(path, alphas, outputs))
            rows += len(alphas)
            self._shares.count(path, len(alphas) * path.spec.tokens * (1 + evaluations))
        return batch


def _turns(path: Path) -> int:
    return -(-path.evaluations // OUTPUTS_PER_TURN)


def may_share(first: PathSpec, other: PathSpec) -> bool:
    """Whether rows of two paths can be in one batch, and little of it would be padding."""
    shorter, longer = sorted([first.tokens, other.tokens])
    return first.batch_key == other.batch_key and shorter >= MIN_FILL * longer


def _may_share(first: Path, other: Path) -> bool:
    """Nor may few targets have to wait for many."""
    return may_share(first.spec, other.spec) and _turns(first) == _turns(other)
