"""What a long text will cost, counted from its windows before any of them is run."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ligserve.server.workers.costs.forecast import Forecast, Integrals, of_points
from ligserve.server.workers.engine.forward import MOST_STARTS
from ligserve.server.workers.engine.path_cost import PathCost
from ligserve.server.workers.explainers import Plan
from ligserve.server.workers.explainers.plans.plan import DocumentPlan
from ligserve.server.workers.quadrature import PointsForecast
from ligserve.v1 import explanation_pb2 as pb


def of_document(plan: Plan, document: DocumentPlan, *, keeps_points: bool) -> Forecast:
    """Forward passes over windows, and integrals over those that a target is about."""
    first = plan.paths[0]
    basis = len(first.basis) if keeps_points and first.spec.tells_others else 0
    counts, beside = np.array(document.token_counts, dtype=np.int64), _beside(plan, document)
    lengths = counts + beside
    # Where the path ends in other inputs than the prediction's, they are a pass of their own.
    ends = 0 if first.spec.prediction_row is first.spec.row else 1
    ends += 0 if first.spec.precision == pb.PRECISION_FLOAT32 else 2
    everywhere, winners = _rows(lengths.tolist()), _rows(_longest(document, lengths))
    usual = _rows([round(lengths.mean())] * document.winners)
    starts = usual, winners
    if document.ends_of is None:
        usual = winners = everywhere
        starts = (_rows(_starts(lengths.tolist(), beside.tolist())),) * 2
    return Forecast(
        windows=len(lengths),
        targets=document.targets,
        may_explain_less=plan.may_explain_less,
        forward=sum([usual] * ends, start=everywhere + starts[0]),
        most_forward=sum([winners] * ends, start=everywhere + starts[1]),
        integrals=[_of_windows(document, lengths, basis)] if document.targets else [],
        kind="windows",
        paths_known=document.targets_in is not None or document.winners == 1,
        overlaps=_overlap(document),
    )


def _overlap(document: DocumentPlan) -> bool:
    """Whether windows share tokens; those of labels on one part of the text count as one."""
    starts, first = np.unique(document.first_tokens, return_index=True)
    ends = starts + np.array(document.token_counts)[first]
    return bool((starts[1:] < ends[:-1]).any())


def _beside(plan: Plan, document: DocumentPlan) -> NDArray[np.int64]:
    """(W,), tokens of each row that are not of the long text; those of labels on one part of it differ."""
    starts = np.array(document.first_tokens)
    together = int((starts == starts[0]).sum())
    own = [plan.paths[n].spec.tokens - document.token_counts[n] for n in range(together)]
    return np.resize(np.array(own, dtype=np.int64), len(starts))


def _starts(lengths: Sequence[int], beside: Sequence[int]) -> list[int]:
    """The lengths of the starts that have to be run: rows of the same texts' lengths start alike."""
    known: set[tuple[int, int]] = set()
    fresh = []
    for kind in zip(lengths, beside, strict=True):
        if kind not in known:
            fresh.append(kind[0])
            known |= {kind} if len(known) < MOST_STARTS else set()
    return fresh


def _longest(document: DocumentPlan, lengths: NDArray[np.int64]) -> list[int]:
    """As many of the longest windows as can be explained where only the logits tell which."""
    longest: list[int] = np.sort(lengths)[::-1][: document.winners].tolist()
    return longest


def _rows(lengths: Sequence[int]) -> PathCost:
    """A forward pass over rows of so many tokens."""
    return PathCost(rows=len(lengths), tokens=sum(lengths))


def _of_windows(document: DocumentPlan, lengths: NDArray[np.int64], basis: int) -> Integrals:
    """Integrals over windows of so many tokens; `basis` outputs at each point, 0 for the targets."""
    if document.targets_in is None:
        return _of_winners(document, lengths, basis)
    targets = np.array(document.targets_in, dtype=np.int64)
    about = targets > 0
    backward = about * basis if basis else targets
    each = PathCost(
        points=int(about.sum()),
        rows=int(about.sum()),
        tokens=int(lengths[about].sum()),
        gradients=int(backward.sum()),
        gradient_tokens=int((backward * lengths).sum()),
    )
    return Integrals(_points(document, int(targets.max())), each, each)


def _of_winners(document: DocumentPlan, lengths: NDArray[np.int64], basis: int) -> Integrals:
    """Every target is about one of few windows, and only the logits tell which.

    Windows that are explained together need one backward pass each, however many targets are about them.
    """
    targets, longest, mean = document.targets, _longest(document, lengths), round(lengths.mean())
    each = of_points(document.winners, document.winners * mean, 1)
    backward = document.winners * basis or (targets if document.together is None else document.winners)
    each.gradients, each.gradient_tokens = backward, backward * mean
    most = of_points(document.winners, sum(longest), 1)
    most.gradients, most.gradient_tokens = backward, backward * longest[0]
    return Integrals(_points(document, targets), each, most)


def _points(document: DocumentPlan, targets: int) -> PointsForecast:
    return document.rule(np.zeros(targets)).forecast(targets)
