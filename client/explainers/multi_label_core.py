"""What the drop-ins for multi-label classification share."""

from pathlib import Path

from ligserve.client.explainers.attributions import LIGAttributions
from ligserve.client.explainers.core import ExplainerCore
from ligserve.client.explainers.errors import InputIdsNotCalculatedError
from ligserve.client.explainers.last_answer import NOT_CALCULATED
from ligserve.client.explainers.predicted_class import PredictedClass
from ligserve.client.rendering.html import Html, Row
from ligserve.client.rendering.pieces import token_pieces
from ligserve.client.types.enums import OutputSpace
from ligserve.client.types.explanation import Explanation

_COLUMNS = ("n/a", "Prediction Score", "Attribution Label", "Attribution Score", "Word Importance")


class MultiLabelClassificationCore(ExplainerCore, PredictedClass):
    """State and rules of the drop-in, with the attributes of transformers-interpret's explainer.

    Attributes:
        attributions: one for each label, in the model's order; empty before the first call.
        labels: the labels; empty before the first call.
    """

    attributions: tuple[LIGAttributions, ...] = ()
    labels: tuple[str, ...] = ()

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
    def pred_probs_list(self) -> list[float]:
        """Each label's own probability.

        Raises:
            InputIdsNotCalculatedError: there was no call yet.
        """
        last, probabilities = self._last(), self._prediction().probabilities
        return [
            target.f_input
            if target.target.output_space is OutputSpace.PROBABILITY
            else probabilities[target.class_index]
            for target in last.targets
        ]

    @property
    def label_probs_dict(self) -> dict[str, float]:
        """Each label's own probability, by label.

        Raises:
            InputIdsNotCalculatedError: there was no call yet.
        """
        return dict(zip(self.labels, self.pred_probs_list, strict=True))

    def visualize(self, html_filepath: str | Path | None = None, true_class: str | None = None) -> Html:
        """The last call's table, a row for each label; written to a file too, where a path is given.

        Raises:
            InputIdsNotCalculatedError: there was no call yet.
            OSError: the file cannot be written.
        """
        if not self.attributions:
            raise InputIdsNotCalculatedError("input_ids have not been created yet. Call the explainer first.")
        return self._written(
            (self._row(label, words, true_class) for label, words in self.word_attributions.items()),
            html_filepath,
            _COLUMNS,
        )

    def _row(self, label: str, words: list[tuple[str, float]], true_class: str | None) -> Row:
        return Row(
            true_label=true_class or "n/a",
            predicted_label="",
            probability=self.label_probs_dict[label],
            attribution_label=label,
            attribution_score=sum(score for _, score in words),
            pieces=token_pieces(words),
        )

    def _finish(self, explanation: Explanation) -> dict[str, list[tuple[str, float]]]:
        self._keep(explanation)
        count = len(explanation.targets)
        self.labels = tuple(target.label for target in explanation.targets)
        self.attributions = tuple(self._attributions_of(target) for target in range(count))
        return self.word_attributions
