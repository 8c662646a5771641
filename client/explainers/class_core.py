"""What the drop-ins that explain one class share: which class, and what follows a call."""

import operator
import warnings
from dataclasses import dataclass

from ligserve.client.classes import ClassTarget
from ligserve.client.explainers.core import ExplainerCore, explained_text
from ligserve.client.explainers.results import ClassResults
from ligserve.client.quantities import check_whole
from ligserve.client.types.explanation import Explanation


@dataclass(frozen=True, slots=True)
class ClassChoice:
    """The class to explain, as the caller gave it: by index, else by name, else the predicted one.

    Raises:
        TypeError: the index is not an int.
    """

    index: int | None
    class_name: str | None

    def __post_init__(self) -> None:
        if self.index is not None:
            check_whole("index", self.index)

    @property
    def by_name(self) -> bool:
        """Whether the name counts."""
        return self.index is None and self.class_name is not None


class ClassCore(ExplainerCore, ClassResults):
    """State and rules of a drop-in that explains one class."""

    def _needs_labels(self, choice: ClassChoice) -> bool:
        return self._labels is None and (choice.by_name or bool(self.custom_labels))

    def _targets(self, choice: ClassChoice) -> tuple[ClassTarget, ...]:
        """The target to send; none means the predicted class."""
        if choice.index is not None:
            return (ClassTarget(operator.index(choice.index)),)
        if choice.class_name is None:
            return ()
        index = {label: place for place, label in enumerate(self._labels or ())}.get(choice.class_name)
        if index is None:
            name = choice.class_name
            message = f"'{name}' is not found in self.label2id keys.Defaulting to predicted index instead."
            warnings.warn(message, stacklevel=3)
        return () if index is None else (ClassTarget(index),)

    def _finish(self, explanation: Explanation) -> list[tuple[str, float]]:
        self._keep(explanation)
        self.attributions = self._attributions_of(0)
        return self.word_attributions


class SequenceClassificationCore(ClassCore):
    """State and rules of the drop-in for one text."""

    @property
    def text(self) -> str:
        """The text of the last call, with spaces around punctuation as the library has it.

        Raises:
            InputIdsNotCalculatedError: there was no call yet.
        """
        return explained_text(self._last())
