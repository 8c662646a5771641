"""What the drop-ins for token classification share."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypedDict

from ligserve.client.explainers.attributions import LIGAttributions
from ligserve.client.explainers.core import ExplainerCore, explained_text
from ligserve.client.explainers.last_answer import NOT_CALCULATED
from ligserve.client.rendering.html import Html, Row
from ligserve.client.rendering.pieces import token_pieces
from ligserve.client.tasks import TokenClassification
from ligserve.client.types.enums import OutputSpace
from ligserve.client.types.explanation import Explanation
from ligserve.client.types.inputs import Prediction
from ligserve.client.types.targets import TargetExplanation


class TokenAttributions(TypedDict):
    """A token's label, and all tokens with their normalised scores for it."""

    label: str
    attribution_scores: list[tuple[str, float]]


class TokenClassificationCore(ExplainerCore):
    """State and rules of the drop-in, with the attributes of transformers-interpret's explainer.

    Attributes:
        attributions: one for each explained token, by its position; None before the first call.
        ignored_indexes: as the last call gave them.
        ignored_labels: as the last call gave them.
    """

    attributions: dict[int, LIGAttributions] | None = None
    ignored_indexes: tuple[int, ...] | None = None
    ignored_labels: tuple[str, ...] | None = None

    @property
    def word_attributions(self) -> dict[str, TokenAttributions]:
        """For each explained token its label and scores. Of a repeated token only the last one is there.

        `explanation.targets` has them all, one after the other.

        Raises:
            ValueError: there was no call yet.
        """
        if self.attributions is None:
            raise ValueError(NOT_CALCULATED)
        words: dict[str, TokenAttributions] = {}
        for index, _ in self._explained_tokens():
            scores = self.attributions[index].word_attributions
            label = self._shown(index).label
            words[self._spelt(index)] = {"label": label, "attribution_scores": scores}
        return words

    @property
    def text(self) -> str:
        """The text of the last call, with spaces around punctuation as the library has it.

        Raises:
            InputIdsNotCalculatedError: there was no call yet.
        """
        return explained_text(self._last())

    @property
    def predicted_class_indexes(self) -> list[int]:
        """Position of each token's predicted class, special tokens included.

        Raises:
            InputIdsNotCalculatedError: there was no call yet.
        """
        return [prediction.index for prediction in self._last().token_predictions]

    @property
    def predicted_class_names(self) -> list[str]:
        """Each token's predicted class, special tokens included.

        Raises:
            InputIdsNotCalculatedError: there was no call yet.
        """
        return [prediction.label for prediction in self._last().token_predictions]

    def visualize(
        self, html_filepath: str | Path | None = None, true_classes: Sequence[str] | None = None
    ) -> Html:
        """The last call's table, a row for each explained token; written to a file too, if a path is given.

        Args:
            html_filepath: the file; ".html" is added.
            true_classes: the right class of each token, special tokens included; not shown for a long text.

        Raises:
            InputIdsNotCalculatedError: there was no call yet.
            ValueError: there are not as many true classes as tokens.
            OSError: the file cannot be written.
        """
        explained, count = self._explained_tokens(), len(self._last().tokens)
        if true_classes is not None and len(true_classes) != count:
            raise ValueError("The length of `true_classes` must be equal to the number of tokens")
        rows = (
            self._row(index, target, true_classes[index] if true_classes else self._shown(index).label)
            for index, target in explained
        )
        return self._written(rows, html_filepath)

    def _row(self, index: int, target: TargetExplanation, true_class: str) -> Row:
        words = (self.attributions or {})[index].word_attributions
        in_probability = target.target.output_space is OutputSpace.PROBABILITY
        prediction, elsewhere = self._shown(index), len(self._last().path_predictions) > 0
        return Row(
            true_label=true_class,
            predicted_label=prediction.label,
            probability=prediction.probability if elsewhere or not in_probability else target.f_input,
            attribution_label=self._spelt(index),
            attribution_score=sum(score for _, score in words),
            pieces=token_pieces(words),
        )

    def _shown(self, index: int) -> Prediction:
        """A token's prediction; the library shows the one at the path's end, whichever label it explains."""
        return (self._last().path_predictions or self._last().token_predictions)[index]

    def _spelt(self, index: int) -> str:
        return self._last().tokens[index].text.replace("Ġ", "")

    def _explained_tokens(self) -> list[tuple[int, TargetExplanation]]:
        targets = [(target.target.token, target) for target in self._last().targets]
        return sorted(((i, t) for i, t in targets if i is not None), key=lambda pair: pair[0])

    def _task(
        self, text: str, ignored_indexes: Iterable[int] | None, ignored_labels: str | Iterable[str] | None
    ) -> TokenClassification:
        self.ignored_indexes = None if ignored_indexes is None else tuple(ignored_indexes)
        labels = (ignored_labels,) if isinstance(ignored_labels, str) else ignored_labels
        self.ignored_labels = None if labels is None else tuple(labels)
        return TokenClassification(text, self.ignored_indexes or (), self.ignored_labels or ())

    def _finish(self, explanation: Explanation) -> dict[str, TokenAttributions]:
        self._keep(explanation)
        self.attributions = {
            token: self._attributions_of(position)
            for token, position in sorted(
                (target.target.token, position)
                for position, target in enumerate(explanation.targets)
                if target.target.token is not None
            )
        }
        return self.word_attributions
