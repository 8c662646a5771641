"""What can be read after a call from a drop-in explainer that explains one class."""

from pathlib import Path

from ligserve.client.explainers.attributions import LIGAttributions
from ligserve.client.explainers.last_answer import NOT_CALCULATED
from ligserve.client.explainers.predicted_class import PredictedClass
from ligserve.client.rendering.html import Html, Row
from ligserve.client.rendering.pieces import token_pieces
from ligserve.client.types.enums import OutputSpace


class ClassResults(PredictedClass):
    """The attributes of transformers-interpret's explainer, over the last explanation.

    Attributes:
        attributions: the last call's attributions; None before the first call.
    """

    def __init__(self) -> None:
        super().__init__()
        self.attributions: LIGAttributions | None = None

    @property
    def word_attributions(self) -> list[tuple[str, float]]:
        """Tokens of the last call with their normalised scores.

        Raises:
            ValueError: there was no call yet.
        """
        if self.attributions is None:
            raise ValueError(NOT_CALCULATED)
        return self.attributions.word_attributions

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

        Of a long text its windows to unfold, without the true class.

        Raises:
            InputIdsNotCalculatedError: there was no call yet.
            OSError: the file cannot be written.
        """
        return self._written([self._row(true_class)], html_filepath)

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
