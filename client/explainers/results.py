"""What can be read from a drop-in explainer after a call."""

from collections.abc import Sequence
from pathlib import Path

from ligserve.client.explainers.attributions import LIGAttributions
from ligserve.client.explainers.errors import InputIdsNotCalculatedError
from ligserve.client.rendering.html import Html, Row, page, table
from ligserve.client.rendering.pieces import token_pieces
from ligserve.client.types.enums import OutputSpace
from ligserve.client.types.explanation import Explanation
from ligserve.client.types.inputs import Prediction


class SequenceClassificationResults:
    """The attributes of transformers-interpret's explainer, over the last explanation.

    Attributes:
        explanation: the last call's explanation with all it holds; None before the first call.
        attributions: the last call's attributions; None before the first call.
    """

    def __init__(self) -> None:
        self.explanation: Explanation | None = None
        self.attributions: LIGAttributions | None = None
        self._labels: Sequence[str] | None = None
        self._text = ""

    @property
    def text(self) -> str:
        """The text of the last call, with spaces around punctuation as the library has it."""
        self._last()
        return self._text

    @property
    def input_ids(self) -> list[list[int]]:
        """Vocabulary ids of the last input, as a batch of one; empty before a call."""
        return [[token.id for token in self.explanation.tokens]] if self.explanation else []

    @property
    def word_attributions(self) -> list[tuple[str, float]]:
        """Tokens of the last call with their normalised scores.

        Raises:
            ValueError: there was no call yet.
        """
        if self.attributions is None:
            raise ValueError(
                "Attributions have not yet been calculated. Please call the explainer on text first."
            )
        return self.attributions.word_attributions

    @property
    def predicted_class_index(self) -> int:
        """Position of the predicted class, whatever class was explained.

        Raises:
            InputIdsNotCalculatedError: there was no call yet.
        """
        return self._prediction().index

    @property
    def predicted_class_name(self) -> str:
        """Name of the predicted class, whatever class was explained.

        Raises:
            InputIdsNotCalculatedError: there was no call yet.
        """
        return self._prediction().label

    @property
    def selected_index(self) -> int:
        """Position of the class that was explained.

        Raises:
            InputIdsNotCalculatedError: there was no call yet.
        """
        return self._last().targets[0].class_index

    @property
    def pred_probs(self) -> float:
        """Probability of the class that was explained.

        Raises:
            InputIdsNotCalculatedError: there was no call yet.
        """
        target = self._last().targets[0]
        if target.target.output_space is OutputSpace.PROBABILITY:
            return target.f_input
        probabilities = self._prediction().probabilities
        return probabilities[0] if self._prediction().single_logit else probabilities[target.class_index]

    def visualize(self, html_filepath: str | Path | None = None, true_class: str | int | None = None) -> Html:
        """The last call's table; written to a file too, where a path is given (".html" is added).

        Raises:
            InputIdsNotCalculatedError: there was no call yet.
            OSError: the file cannot be written.
        """
        html = Html(table([self._row(true_class)]))
        if html_filepath:
            path = str(html_filepath)
            path = path if path.endswith(".html") else f"{path}.html"
            Path(path).write_text(page(html.data, title="Explanation"), encoding="utf-8")
        return html

    def _row(self, true_class: str | int | None) -> Row:
        explanation, words = self._last(), self.word_attributions
        if self._prediction().single_logit:
            # With one logit the library shows the rounded probability as the class.
            predicted = attributed = str(round(self.pred_probs))
            true_default = predicted
        else:
            predicted, attributed = self.predicted_class_name, explanation.targets[0].label
            true_default = str(self.selected_index)
        return Row(
            true_label=true_default if true_class is None else str(true_class),
            predicted_label=predicted,
            probability=self.pred_probs,
            attribution_label=attributed,
            attribution_score=sum(score for _, score in words),
            pieces=token_pieces(words),
        )

    def _last(self) -> Explanation:
        if self.explanation is None:
            raise InputIdsNotCalculatedError("input_ids have not been created yet. Call the explainer first.")
        return self.explanation

    def _prediction(self) -> Prediction:
        prediction = self._last().prediction
        if prediction is None:
            raise InputIdsNotCalculatedError("the last answer holds no prediction")
        return prediction
