"""From windows of a premise, each beside every label's hypothesis, to the document's output."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ligserve.server.workers.explainers.documents.aggregates import (
    MAX,
    MEAN_LOGITS,
    of_largest,
    shares_and_fold,
    tie_warnings,
)
from ligserve.server.workers.explainers.plans.document_outcome import DocumentOutcome, WindowLogits
from ligserve.server.workers.explainers.targets.candidates import Candidates
from ligserve.server.workers.explainers.targets.competing_labels import CompetingLabels
from ligserve.v1 import explanation_pb2
from ligserve.v1 import explanation_service_pb2 as pb


@dataclass(frozen=True)
class Premise:
    """W parts of a text, each with a window for each of L labels.

    Attributes:
        hypotheses: of the labels.
        aggregate: how the document's output follows from those for its parts.
        token_counts: (W,), each part's tokens.
    """

    hypotheses: Sequence[str]
    aggregate: "explanation_pb2.LongInput.Window.Aggregate.ValueType"
    token_counts: Sequence[int]

    @property
    def labels(self) -> int:
        """L."""
        return len(self.hypotheses)

    def told(self, window: int) -> pb.Window:
        """What is told of a window beside its tokens."""
        label = window % self.labels
        return pb.Window(hypothesis=self.hypotheses[label], candidate=label)

    def by_part(self, values: Tensor) -> Tensor:
        """(W x L,) values of windows to (W, L)."""
        return values.reshape(-1, self.labels)


def outcome_by_label(premise: Premise, candidates: Candidates) -> Callable[[WindowLogits], DocumentOutcome]:
    """What is known of labels that are judged by themselves: each one's target is about its own windows."""

    def outcome(logits: WindowLogits) -> DocumentOutcome:
        shares, _ = shares_and_fold(premise.aggregate, premise.token_counts)
        values = (candidates.values(stacked(each)) for each in (logits.ends, logits.starts))
        f_input, f_baseline = (each.reshape(-1, premise.labels) for each in values)
        explained, about = candidates.explained_in_windows(), np.ones(f_input.shape, dtype=np.bool_)
        if premise.aggregate == MAX:
            explained, about = of_largest(explained, f_input)
            for label, each in enumerate(explained):
                # The part, and the label's window on it.
                each.target.window = each.target.window * premise.labels + label
        found = DocumentOutcome(
            header=header_by_label(premise, candidates, logits),
            explained=explained,
            shares=np.repeat(shares, premise.labels),
            targets=np.nonzero(about)[1],
            first_pairs=np.concatenate(([0], about.ravel().cumsum())),
            f_input=f_input[about],
            f_baseline=f_baseline[about],
            told=premise.told,
        )
        found.header.warnings.extend(tie_warnings(found))
        return found

    return outcome


def outcome_of_competition(
    premise: Premise, competing: CompetingLabels
) -> Callable[[WindowLogits], DocumentOutcome]:
    """What is known of labels that compete in every part: each one's target is about all windows.

    Of the largest outputs each label's target is about all labels' windows on the part where its own is. What
    there is to explain in the windows on a part is known of all of them together; it is the first one's.
    """

    def outcome(logits: WindowLogits) -> DocumentOutcome:
        shares, _ = shares_and_fold(premise.aggregate, premise.token_counts)
        entailed = (premise.by_part(competing.entailed(stacked(e))) for e in (logits.ends, logits.starts))
        f_input, f_baseline = map(competing.values, entailed)
        explained, about = competing.explained(), np.ones(f_input.shape, dtype=np.bool_)
        if premise.aggregate == MAX:
            explained, about = of_largest(explained, f_input)
            for each in explained:
                # The part, and all windows on it.
                each.target.window = each.target.window * premise.labels
                each.target.window_count = premise.labels
        pairs = np.zeros(about.shape, dtype=np.intp)
        pairs[:, 0] = about.sum(axis=1)
        found = DocumentOutcome(
            header=header_of_competition(premise, competing, logits),
            explained=explained,
            shares=np.repeat(shares, premise.labels),
            targets=np.nonzero(about)[1],
            first_pairs=np.concatenate(([0], pairs.ravel().cumsum())),
            f_input=f_input[about],
            f_baseline=f_baseline[about],
            told=premise.told,
        )
        found.header.warnings.extend(tie_warnings(found))
        return found

    return outcome


def header_by_label(premise: Premise, candidates: Candidates, logits: WindowLogits) -> pb.Header:
    """What is predicted of labels that are judged by themselves."""
    judged = premise.by_part(candidates.judged(stacked(logits.inputs)))
    return pb.Header(prediction=candidates.prediction(*_folded(premise, judged, torch.sigmoid)))


def header_of_competition(premise: Premise, competing: CompetingLabels, logits: WindowLogits) -> pb.Header:
    """What is predicted of labels that compete."""
    entailed = premise.by_part(competing.entailed(stacked(logits.inputs)))
    return pb.Header(prediction=competing.prediction(*_folded(premise, entailed, _shares)))


def stacked(logits: Sequence[Tensor]) -> Tensor:
    """Windows' logits, (C,) each, to (windows, C)."""
    return torch.stack(list(logits)).double()


def _folded(
    premise: Premise, logits: Tensor, chances_of: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """The document's logits and probabilities, (L,) each, from the (W, L) logits that these are made of."""
    _, fold = shares_and_fold(premise.aggregate, premise.token_counts)
    folded = fold(logits)
    of_mean = premise.aggregate == MEAN_LOGITS
    return folded, chances_of(folded) if of_mean else fold(chances_of(logits))


def _shares(logits: Tensor) -> Tensor:
    return logits.softmax(dim=-1)
