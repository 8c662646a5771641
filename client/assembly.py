"""Puts the chunks of estimates together, and keeps the final ones."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from ligserve.client.errors import MalformedAnswerError
from ligserve.client.types.events import EstimateEvent
from ligserve.client.types.targets import Target
from ligserve.v1 import explanation_service_pb2 as service_pb


@dataclass(frozen=True, slots=True)
class FinalScores:
    """The final scores of a target, those of its windows one after the other."""

    scores: tuple[float, ...]
    score_errors: tuple[float, ...]


@dataclass(slots=True)
class _Chunks:
    """The chunks so far of one estimate."""

    scores: list[float] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)
    round: int = 0


class EstimateAssembly:
    """The estimates of all targets and windows.

    Args:
        lengths: number of scores of each window.
        targets: the targets.
        candidates: how many windows each part of a long text has, one for each label.
    """

    def __init__(self, lengths: Sequence[int], targets: Sequence[Target], candidates: int = 1) -> None:
        self._lengths = tuple(lengths)
        self._targets = tuple(targets)
        self._windows = [_windows(target, len(lengths), candidates) for target in targets]
        self._open: dict[tuple[int, int], _Chunks] = {}
        self._finals: dict[tuple[int, int], EstimateEvent] = {}

    def add(self, chunk: service_pb.Estimate) -> EstimateEvent | None:
        """Take a chunk; returns the estimate if this was its last one.

        Raises:
            MalformedAnswerError: it does not follow the chunk before.
        """
        place = (chunk.target, chunk.window)
        self._check_place(place)
        chunks = self._open.setdefault(place, _Chunks(round=chunk.round))
        _check_follows(chunks, chunk)
        chunks.scores.extend(chunk.scores)
        chunks.errors.extend(chunk.score_errors)
        return self._completed(place, chunk)

    def known(self, target: int) -> FinalScores:
        """The final scores of a target; 0 for windows whose have not come."""
        finals = [self._finals.get((target, window)) for window in self._windows[target]]
        lengths = [self._lengths[window] for window in self._windows[target]]
        scores: list[float] = []
        for final, length in zip(finals, lengths, strict=True):
            scores += final.scores if final else (0.0,) * length
        errors = [error for final in finals if final for error in final.score_errors]
        return FinalScores(tuple(scores), tuple(errors) if len(errors) == len(scores) else ())

    def check_complete(self, target: int) -> None:
        """Refuse a target without all its final scores.

        Raises:
            MalformedAnswerError: a window's are missing.
        """
        if missing := self.missing(target):
            raise MalformedAnswerError(f"target {target} has no final estimate for windows {missing}")

    def windows(self, target: int) -> range:
        """The windows that a target is about."""
        return self._windows[target]

    def is_about_some(self, target: int) -> bool:
        """Whether a target is about one window alone, or all labels' on one part of the text."""
        return self._targets[target].windows is not None

    def only_candidate(self, target: int) -> int | None:
        """The label whose windows alone a target is about; None where it is about all windows, or some."""
        return self._targets[target].candidate

    def missing(self, target: int) -> list[int]:
        """The windows that a target is about and whose final scores have not come."""
        return [window for window in self._windows[target] if (target, window) not in self._finals]

    def final_of(self, target: int, window: int) -> EstimateEvent | None:
        """The final estimate of a target in a window; None if it has not come."""
        return self._finals.get((target, window))

    def _check_place(self, place: tuple[int, int]) -> None:
        target, window = place
        if target >= len(self._windows) or window not in self._windows[target]:
            raise MalformedAnswerError(f"target {target}, window {window} is not in the header")
        if place in self._finals:
            raise MalformedAnswerError(f"target {target}, window {window} was final already")

    def _completed(self, place: tuple[int, int], chunk: service_pb.Estimate) -> EstimateEvent | None:
        chunks, length = self._open[place], self._lengths[place[1]]
        if len(chunks.scores) > length or len(chunks.errors) not in (0, len(chunks.scores)):
            raise MalformedAnswerError(f"{len(chunks.scores)} scores came for {length} tokens")
        if len(chunks.scores) < length:
            return None
        event = _event(self._open.pop(place), chunk)
        if event.final:
            self._finals[place] = event
        return event


def _windows(target: Target, count: int, candidates: int) -> range:
    """The windows, of so many, that a target is about."""
    if target.windows is not None:
        return target.windows
    return range(count) if target.candidate is None else range(target.candidate, count, candidates)


def _check_follows(chunks: _Chunks, chunk: service_pb.Estimate) -> None:
    if chunk.first_token != len(chunks.scores) or chunk.round != chunks.round:
        expected = f"token {len(chunks.scores)} of round {chunks.round}"
        raise MalformedAnswerError(f"scores from token {chunk.first_token} came, not from {expected}")


def _event(chunks: _Chunks, last: service_pb.Estimate) -> EstimateEvent:
    return EstimateEvent(
        target=last.target,
        window=last.window,
        scores=tuple(chunks.scores),
        score_errors=tuple(chunks.errors),
        error_bound=last.error_bound if last.HasField("error_bound") else math.nan,
        points=last.points,
        round=last.round,
        final=last.final,
        preview=last.preview,
    )
