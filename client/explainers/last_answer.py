"""What every drop-in explainer can tell of its last call."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from ligserve.client.explainers.errors import InputIdsNotCalculatedError
from ligserve.client.rendering.html import COLUMNS, Html, Row, explanation_notes, page, table
from ligserve.client.types.explanation import Explanation
from ligserve.client.types.inputs import Prediction

NOT_CALCULATED = "Attributions have not yet been calculated. Please call the explainer on text first."


class LastAnswer:
    """The last explanation, and what the explainers of transformers-interpret have in common.

    Attributes:
        explanation: the last call's explanation with all it holds; None before the first call.
    """

    def __init__(self) -> None:
        self.explanation: Explanation | None = None

    @property
    def input_ids(self) -> list[list[int]]:
        """Vocabulary ids of the last input, as a batch of one; empty before a call."""
        if self.explanation is None:
            return []
        # Of several inputs the library keeps the last; where nothing is explained, there is but one.
        last = len(self.explanation.targets) - 1
        tokens = self.explanation.tokens_of(last) if last >= 0 else self.explanation.tokens
        return [[token.id for token in tokens]]

    def _written(
        self, rows: Iterable[Row], path: str | Path | None, columns: Sequence[str] = COLUMNS
    ) -> Html:
        """The last call's table; written to a file too, where a path is given (".html" is added).

        Of a long text what `Explanation.html` gives, its windows to unfold: a table of it would be no use.

        Raises:
            OSError: the file cannot be written.
        """
        explanation = self._last()
        long = bool(explanation.windows)
        html = Html(explanation.html() if long else table(rows, columns, explanation_notes(explanation)))
        if path:
            name = str(path)
            name = name if name.endswith(".html") else f"{name}.html"
            Path(name).write_text(page(html.data, title="Explanation"), encoding="utf-8")
        return html

    def _last(self) -> Explanation:
        if self.explanation is None:
            raise InputIdsNotCalculatedError("input_ids have not been created yet. Call the explainer first.")
        return self.explanation

    def _prediction(self) -> Prediction:
        prediction = self._last().prediction
        if prediction is None:
            raise InputIdsNotCalculatedError("the last answer holds no prediction")
        return prediction
