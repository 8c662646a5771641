"""What the drop-ins for pairs of texts share."""

from ligserve.client.explainers.class_core import ClassCore
from ligserve.client.types.enums import OutputSpace


class PairwiseSequenceClassificationCore(ClassCore):
    """State and rules of the drop-in for two texts, which the library does not clean."""

    _flipped = False

    @property
    def text1(self) -> str:
        """The first text of the last call.

        Raises:
            InputIdsNotCalculatedError: there was no call yet.
        """
        return self._last().texts[0]

    @property
    def text2(self) -> str:
        """The second text of the last call.

        Raises:
            InputIdsNotCalculatedError: there was no call yet.
        """
        return self._last().texts[1]

    @property
    def pred_probs(self) -> float:
        """Probability of the class that was explained, also where the sign of its scores was flipped.

        Raises:
            InputIdsNotCalculatedError: there was no call yet.
        """
        target = self._last().targets[0].target
        in_probability = target.output_space is OutputSpace.PROBABILITY
        flipped = self._flipped and self._prediction().single_logit and in_probability
        return 1 - super().pred_probs if flipped else super().pred_probs
