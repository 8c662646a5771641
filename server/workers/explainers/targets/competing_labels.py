"""Candidate labels that share one probability: each one's output depends on every one's hypothesis."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ligserve.server.errors import FieldViolation, InvalidArgumentError
from ligserve.server.workers.engine.outputs import ClassOutput
from ligserve.server.workers.explainers.plans.explained import Explained
from ligserve.server.workers.explainers.plans.plan import PathPlan
from ligserve.server.workers.explainers.targets.classes import prediction_of
from ligserve.server.workers.quadrature import Coupling, LockStep, QuadratureRule
from ligserve.server.workers.quadrature.rule import Floats
from ligserve.v1 import explanation_pb2, explanation_service_pb2

# Scores of an answer, one for each label and each token of every label's row; 1 MiB for each node in memory.
MAX_SCORES = 1 << 17


class CompetingLabels:
    """What is explained for each candidate: its share in the softmax of all entailment logits.

    As transformers' zero-shot pipeline has it without multi_label.

    Args:
        labels: the candidates, two or more.
        entailment: position of the model's class that says entailment.
        space: the output space of all of them.
    """

    def __init__(
        self, labels: Sequence[str], entailment: int, space: "explanation_pb2.OutputSpace.ValueType"
    ) -> None:
        self._labels = labels
        self._entailment = entailment
        self._space = space
        self._logit = ClassOutput(entailment, None, explanation_pb2.OUTPUT_SPACE_LOGIT)

    def explained(self, _logits: Tensor | None = None) -> list[Explained]:
        """All the candidates, about every window."""
        return [
            Explained(self._logit, self._target(number), label) for number, label in enumerate(self._labels)
        ]

    def entailed(self, logits: Tensor) -> Tensor:
        """(N, C) logits to the (N,) that the candidates compete with."""
        return logits[:, self._entailment]

    def values(self, entailed: Tensor) -> Floats:
        """(W, L): the candidates' outputs for W texts, from their (W, L) entailment logits there."""
        return np.stack([_COUPLINGS[self._space](row)[0] for row in entailed.numpy()])

    def prediction(self, entailed: Tensor, chances: Tensor) -> explanation_service_pb2.Prediction:
        """A document's, from (L,) entailment logits and probabilities."""
        return prediction_of(self._labels, entailed, chances, int(chances.argmax()))

    def outcome(self, logits: Sequence[Tensor]) -> explanation_service_pb2.Header:
        """The candidates' probabilities, from the (C,) logits of each one's path."""
        entailment = torch.stack(list(logits))[:, self._entailment]
        prediction = prediction_of(self._labels, entailment, entailment.softmax(dim=0))
        return explanation_service_pb2.Header(prediction=prediction)

    @property
    def is_linear(self) -> bool:
        """Whether the outputs of mean logits are means of outputs: between two, log-odds are a difference."""
        log_odds = self._space == explanation_pb2.OUTPUT_SPACE_LOG_ODDS
        return self._space == explanation_pb2.OUTPUT_SPACE_LOGIT or (log_odds and len(self._labels) == 2)

    def of_means(self) -> "MeanEntailment":
        """The candidates' outputs, from the mean over several texts of their entailment logits."""
        return MeanEntailment(self._logit, len(self._labels), _COUPLINGS[self._space])

    def check(self, lengths: Sequence[int], field: str) -> None:
        """Refuse what would fill the memory.

        Args:
            lengths: tokens of each candidate's row.
            field: the request's field that holds the candidates.

        Raises:
            InvalidArgumentError: there would be too many scores.
        """
        scores = len(lengths) * sum(lengths)
        if scores > MAX_SCORES:
            text = (
                f"{len(lengths)} labels that share one probability have {scores} scores, one for each label "
                f"and each token of every label's row; at most {MAX_SCORES} are given. Send fewer labels, "
                "a shorter text, or multi_label = true"
            )
            raise InvalidArgumentError([FieldViolation(field, text)], reason="TOO_MANY_SCORES")

    def in_step(
        self, paths: Sequence[PathPlan], rule: QuadratureRule, targets: Sequence[int] | None = None
    ) -> list[PathPlan]:
        """The candidates' paths, tied to one rule.

        Args:
            paths: one for each candidate.
            rule: integrates all of them.
            targets: the candidates that are explained by them, ascending; None: all.
        """
        lengths = [path.spec.length for path in paths]
        coupling = _COUPLINGS[self._space]
        together = LockStep(rule, coupling if targets is None else _some(coupling, targets), lengths)
        return [
            path.in_lock_step(member, self._logit)
            for path, member in zip(paths, together.members, strict=True)
        ]

    def _target(self, number: int) -> explanation_service_pb2.Target:
        return explanation_service_pb2.Target(
            class_index=number, class_label=self._labels[number], output_space=self._space
        )


class MeanEntailment:
    """L outputs of the mean over W texts of the L candidates' entailment logits (a Coupling of W x L paths).

    Args:
        logit: the entailment logit.
        labels: L.
        coupling: from the means to the outputs.

    Attributes:
        followed: what is followed along each path, one text's after the other's.
        reach: (L, 1): each output depends on it.
    """

    def __init__(self, logit: ClassOutput, labels: int, coupling: Coupling) -> None:
        self.followed = [logit]
        self.reach: NDArray[np.bool_] = np.ones((labels, 1), dtype=np.bool_)
        self._coupling = coupling

    def __call__(self, followed: Floats) -> tuple[Floats, Floats, Floats]:
        """From the logits, (W x L,), to what a Coupling gives."""
        texts = followed.reshape(-1, len(self.reach))
        f, slopes, log_odds = self._coupling(texts.mean(axis=0))
        return f, np.tile(slopes / len(texts), len(texts)), log_odds


def _some(coupling: Coupling, targets: Sequence[int]) -> Coupling:
    """A coupling for a few of its targets."""
    some = list(targets)

    def chosen(outputs: Floats) -> tuple[Floats, Floats, Floats]:
        f, slopes, log_odds = coupling(outputs)
        return f[some], slopes[some], log_odds[some]

    return chosen


def _softmax(logits: Floats) -> Floats:
    powers = np.exp(logits - logits.max())
    shares: Floats = powers / powers.sum()
    return shares


def _probability(logits: Floats) -> tuple[Floats, Floats, Floats]:
    p = _softmax(logits)
    return p, np.diag(p) - np.outer(p, p), _log_odds(logits)[0]


def _log_odds(logits: Floats) -> tuple[Floats, Floats, Floats]:
    """z_k - logsumexp of the others."""
    others = np.where(np.eye(len(logits), dtype=bool), -np.inf, logits)
    values = logits - np.logaddexp.reduce(others, axis=1)
    slopes = np.eye(len(logits)) - np.apply_along_axis(_softmax, 1, others)
    return values, slopes, np.full_like(logits, np.nan)


def _logit(logits: Floats) -> tuple[Floats, Floats, Floats]:
    return logits, np.eye(len(logits)), np.full_like(logits, np.nan)


_COUPLINGS: Mapping["explanation_pb2.OutputSpace.ValueType", Coupling] = {
    explanation_pb2.OUTPUT_SPACE_PROBABILITY: _probability,
    explanation_pb2.OUTPUT_SPACE_LOG_ODDS: _log_odds,
    explanation_pb2.OUTPUT_SPACE_LOGIT: _logit,
}
