"""What the drop-ins for zero-shot classification share."""

from collections.abc import Sequence
from pathlib import Path

from ligserve.client.explainers.attributions import LIGAttributions
from ligserve.client.explainers.core import ExplainerCore
from ligserve.client.explainers.errors import InputIdsNotCalculatedError
from ligserve.client.explainers.last_answer import NOT_CALCULATED
from ligserve.client.rendering.html import Html, Row
from ligserve.client.rendering.pieces import token_pieces
from ligserve.client.tasks import ZeroShotClassification
from ligserve.client.types.enums import Convention
from ligserve.client.types.explanation import Explanation
from ligserve.client.types.models import Model

DEFAULT_HYPOTHESIS = "this text is about {} ."
ENTAILMENT_KEYS = ("entailment", "ENTAILMENT")


class ZeroShotClassificationCore(ExplainerCore):
    """State and rules of the drop-in, with the attributes of transformers-interpret's explainer.

    Where the answer is FAITHFUL, each label is judged by itself (multi_label=True of transformers' pipeline).

    Attributes:
        attributions: one for each label; empty before the first call.
        labels: the candidate labels of the last call.
        hypothesis_labels: their hypotheses.
        include_hypothesis: whether the answer goes on over the hypothesis' tokens.
    """

    attributions: tuple[LIGAttributions, ...] = ()
    labels: tuple[str, ...] = ()
    hypothesis_labels: tuple[str, ...] = ()
    include_hypothesis = False

    @property
    def word_attributions(self) -> dict[str, list[tuple[str, float]]]:
        """For each label the tokens of the last call with their normalised scores.

        Raises:
            ValueError: there was no call yet.
        """
        if not self.attributions:
            raise ValueError(NOT_CALCULATED)
        words = [attributions.word_attributions for attributions in self.attributions]
        return dict(zip(self.labels, words, strict=True))

    @property
    def predicted_label(self) -> str:
        """The most probable label.

        Raises:
            InputIdsNotCalculatedError: there was no call yet.
        """
        return self._prediction().label

    @property
    def pred_probs(self) -> list[float]:
        """The labels' probabilities; in the LIBRARY convention they add up to 1.

        Raises:
            InputIdsNotCalculatedError: there was no call yet.
        """
        return list(self._prediction().probabilities)

    @property
    def entailment_key(self) -> str:
        """The model's label for entailment.

        Raises:
            InputIdsNotCalculatedError: the model's labels are not known yet.
        """
        if self._labels is None:
            raise InputIdsNotCalculatedError("labels are not known yet: await the explainer, or its load()")
        return next(key for key in ENTAILMENT_KEYS if key in self._labels)

    @property
    def entailment_idx(self) -> int:
        """Position of the model's label for entailment.

        Raises:
            InputIdsNotCalculatedError: the model's labels are not known yet.
        """
        key = self.entailment_key
        return list(self._labels or ()).index(key)

    def visualize(self, html_filepath: str | Path | None = None, true_class: str | None = None) -> Html:
        """The last call's table, a row for each label; written to a file too, where a path is given.

        Args:
            html_filepath: the file; ".html" is added.
            true_class: not shown, as in the library.

        Raises:
            InputIdsNotCalculatedError: there was no call yet.
            OSError: the file cannot be written.
        """
        probabilities = self.pred_probs
        words = [attributions.word_attributions for attributions in self.attributions]
        rows = zip(self.labels, probabilities, words, strict=True)
        return self._written((_row(*row) for row in rows), html_filepath)

    def _learn(self, model: Model) -> None:
        super()._learn(model)
        if not any(key in model.labels for key in ENTAILMENT_KEYS):
            self._labels = None
            raise ValueError('Expected label "entailment" in `model.label2id` ')

    def _task(
        self, text: str, labels: Sequence[str], template: str, include_hypothesis: bool
    ) -> ZeroShotClassification:
        self.include_hypothesis = include_hypothesis
        return ZeroShotClassification(text, labels, template, include_hypothesis, multi_label=True)

    def _finish(self, explanation: Explanation) -> dict[str, list[tuple[str, float]]]:
        self._keep(explanation)
        self.labels = tuple(target.label for target in explanation.targets)
        self.hypothesis_labels = explanation.hypotheses
        end = None if self.include_hypothesis else _end_of_premise(explanation)
        count = len(explanation.targets)
        self.attributions = tuple(self._attributions_of(target, end) for target in range(count))
        return self.word_attributions


def _end_of_premise(explanation: Explanation) -> int:
    """Number of tokens that are shown without the hypothesis.

    The library counts the premise's tokens and forgets the [CLS] before them, so that it drops the last one.
    """
    premise = [t.index for t in explanation.tokens_of(0) if t.segment == 0 and not t.special]
    return len(premise) if explanation.convention is Convention.LIBRARY else premise[-1] + 1


def _row(label: str, probability: float, words: list[tuple[str, float]]) -> Row:
    return Row(
        true_label=label,
        predicted_label=label,
        probability=probability,
        attribution_label=label,
        attribution_score=sum(score for _, score in words),
        pieces=token_pieces(words),
    )
