"""The class that a model predicts, whatever was explained."""

from ligserve.client.explainers.last_answer import LastAnswer


class PredictedClass(LastAnswer):
    """The predicted class of the last call."""

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
