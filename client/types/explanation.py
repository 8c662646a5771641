"""A finished explanation."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ligserve.client.rendering.html import explanation_notes, explanation_rows, page, table
from ligserve.client.types.cost import Cost, Worker
from ligserve.client.types.enums import Convention
from ligserve.client.types.inputs import Answer, ImageShape, Prediction, ServerWarning, Token
from ligserve.client.types.plain import to_plain
from ligserve.client.types.targets import TargetExplanation
from ligserve.client.types.words import Word, words_of

if TYPE_CHECKING:
    from pandas import DataFrame
    from rich.console import RenderableType


@dataclass(frozen=True, slots=True)
class Explanation:
    """How much each token contributed to a prediction.

    Attributes:
        request_id: identifier of the request, the same in the server's log.
        model: name of the model.
        revision: the checkpoint.
        convention: whose habits the answer follows.
        texts: the caller's texts, which offsets point into.
        prediction: the model's output; None for question answering and token classification.
        tokens: the tokens, special ones included; of several windows (a long input, or the labels of
            zero-shot classification) one after the other.
        targets: one explanation per target, with one score for each token of `tokens_of` it.
        cost: what the answer cost.
        worker: the worker that computed it.
        versions: versions of the software that computed it, by package name.
        warnings: what the caller ought to know.
        token_predictions: the output for each token, for token classification.
        answer: the answer, for question answering.
        image_shape: the shape of the scores, for image classification.
        hypotheses: for zero-shot classification, the second text of each window.
    """

    request_id: str
    model: str
    revision: str
    convention: Convention
    texts: tuple[str, ...]
    prediction: Prediction | None
    tokens: tuple[Token, ...]
    targets: tuple[TargetExplanation, ...]
    cost: Cost
    worker: Worker
    versions: Mapping[str, str]
    warnings: tuple[ServerWarning, ...]
    token_predictions: tuple[Prediction, ...] = ()
    answer: Answer | None = None
    image_shape: ImageShape | None = None
    hypotheses: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The first (or only) text; empty for an image."""
        return self.texts[0] if self.texts else ""

    def tokens_of(self, target: int = 0) -> tuple[Token, ...]:
        """The tokens that a target has scores for: all, or those of the window that it is about.

        Raises:
            IndexError: there is no such target.
        """
        window = self.targets[target].target.window
        return self.tokens if window is None else tuple(t for t in self.tokens if t.window == window)

    def texts_of(self, target: int = 0) -> tuple[str, ...]:
        """The texts that the offsets of a target's tokens point into, by segment.

        Raises:
            IndexError: there is no such target.
        """
        window = self.targets[target].target.window
        return self.texts if window is None else self.texts + self.hypotheses[window : window + 1]

    def words(self, target: int = 0) -> tuple[Word, ...]:
        """The words of the texts in order, each with the sum of its tokens' scores for a target.

        Raises:
            IndexError: there is no such target.
        """
        if not self.tokens:
            return ()
        return words_of(self.tokens_of(target), self.targets[target].scores, self.texts_of(target))

    def top(self, k: int = 10, target: int = 0) -> tuple[Word, ...]:
        """The k words that contribute most, for or against a target, strongest first.

        Raises:
            IndexError: there is no such target.
            ValueError: k is below 0.
        """
        if k < 0:
            raise ValueError(f"k must be a number of words from 0, is {k}")
        return tuple(sorted(self.words(target), key=lambda word: -abs(word.score))[:k])

    def to_dict(self) -> dict[str, object]:
        """Everything as a dict that JSON can carry, with normalised scores and words for each target."""
        plain = {name: to_plain(getattr(self, name)) for name in self.__slots__}
        plain["targets"] = [self._target_dict(position) for position in range(len(self.targets))]
        return plain

    def to_dataframe(self) -> "DataFrame":
        """One row per target and token, as a pandas DataFrame.

        Raises:
            ImportError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise ImportError("to_dataframe() needs pandas: pip install pandas") from error
        return pandas.DataFrame(self._records())

    def html(self) -> str:
        """A table like captum's as a fragment of HTML, one row per target, and how exact each is."""
        return table(explanation_rows(self), notes=explanation_notes(self))

    def save_html(self, path: str | Path) -> None:
        """Write the table as a page of HTML.

        Raises:
            OSError: the file cannot be written.
        """
        Path(path).write_text(page(self.html(), title=f"Explanation by {self.model}"), encoding="utf-8")

    def _repr_html_(self) -> str:
        return self.html()

    def __rich__(self) -> "RenderableType":
        from ligserve.client.rendering.console import render

        return render(self)

    def print(self) -> None:
        """Print the texts on the terminal, coloured by contribution."""
        from rich.console import Console

        Console().print(self)

    def _target_dict(self, position: int) -> dict[str, object]:
        target = self.targets[position]
        plain = {name: to_plain(getattr(target, name)) for name in target.__slots__}
        plain["normalised_scores"] = to_plain(target.normalised_scores)
        plain["words"] = to_plain(self.words(position))
        return plain

    def _records(self) -> list[dict[str, object]]:
        return [
            {"target": str(target.target), **_token_record(token), "score": score, "normalised_score": share}
            for position, target in enumerate(self.targets)
            for token, score, share in zip(
                self.tokens_of(position), target.scores, target.normalised_scores, strict=True
            )
        ]


def _token_record(token: Token) -> dict[str, object]:
    return {name: getattr(token, name) for name in token.__slots__}
