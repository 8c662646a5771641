"""What the drop-ins for images share."""

import operator
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ligserve.client.classes import ClassTarget
from ligserve.client.explainers.core import ExplainerCore
from ligserve.client.explainers.errors import AttributionsNotCalculatedError
from ligserve.client.explainers.last_answer import NOT_CALCULATED
from ligserve.client.explainers.question import Question
from ligserve.client.image_task import ImageClassification, NoiseTunnel
from ligserve.client.images.arrays import batch_of_one, image_array
from ligserve.client.images.figure import METHODS, SIGNS, Drawing
from ligserve.client.images.original import original_pixels
from ligserve.client.images.sending import ImageLike
from ligserve.client.options import ExplainKeywords
from ligserve.client.quantities import check_whole
from ligserve.client.types.enums import NoiseKind, OutputSpace, choice
from ligserve.client.types.explanation import Explanation

ATTRIBUTION_TYPES = ("IG", "IGNT")
LIBRARY_STEPS = 50
LIBRARY_NOISY_STEPS = 5
LIBRARY_SAMPLES = 10
_ONE_SIGN = ("alpha_scaling", "masked_image")


@dataclass(frozen=True, slots=True)
class ImageCall:
    """The arguments of a call, as the caller gave them."""

    image: ImageLike
    index: int | None
    class_name: str | None
    internal_batch_size: int | None
    n_steps: int | None
    n_steps_noise_tunnel: int | None
    noise_tunnel_n_samples: int | None
    noise_tunnel_type: str
    tolerance: float | None
    output_space: OutputSpace | str | None
    seed: int | None
    timeout: float | None

    def __post_init__(self) -> None:
        choice(NoiseKind, self.noise_tunnel_type, "noise_tunnel_type")
        for name in ("index", "n_steps", "n_steps_noise_tunnel", "noise_tunnel_n_samples"):
            if (value := getattr(self, name)) is not None:
                check_whole(name, value)
        if self.tolerance is not None and (self.n_steps or self.n_steps_noise_tunnel):
            raise ValueError("give either a number of steps or tolerance, not both")


class ImageClassificationCore(ExplainerCore):
    """State and rules of the drop-in, with the attributes of transformers-interpret's explainer.

    Attributes:
        n_steps: steps of the next call with attribution type "IG"; a call that gives them changes them.
        n_steps_noise_tunnel: steps for each noisy copy; likewise.
        noise_tunnel_n_samples: number of noisy copies; likewise.
        noise_tunnel_type: "smoothgrad", "smoothgrad_sq" or "vargrad", as of the last call.
        attributions: scores of the last call, (1, channels, height, width); None before it.
        inputs: the pixel values that the model saw, of the same shape; None before a call.

    Raises:
        ValueError: the attribution type is neither "IG" nor "IGNT", or custom labels are given, but none.
    """

    attribution_types = ATTRIBUTION_TYPES

    def __init__(
        self, model_name: str, attribution_type: str, custom_labels: Sequence[str] | None = None
    ) -> None:
        if attribution_type not in ATTRIBUTION_TYPES:
            raise ValueError(f"Attribution type {attribution_type} not supported.")
        super().__init__(model_name, attribution_type, custom_labels)
        self.n_steps_noise_tunnel = LIBRARY_NOISY_STEPS
        self.noise_tunnel_n_samples = LIBRARY_SAMPLES
        self.noise_tunnel_type = NoiseKind.SMOOTHGRAD.value
        self.attributions: Any = None
        self.inputs: Any = None
        self._image: ImageLike = b""

    @property
    def predicted_index(self) -> int:
        """Position of the predicted class, whatever class was explained.

        Raises:
            InputIdsNotCalculatedError: there was no call yet.
        """
        return self._prediction().index

    @property
    def selected_index(self) -> int:
        """Position of the class that was explained.

        Raises:
            InputIdsNotCalculatedError: there was no call yet.
        """
        return self._last().targets[0].class_index

    @property
    def delta(self) -> float:
        """The true convergence delta; NaN for squares and variances, which do not add up.

        Raises:
            InputIdsNotCalculatedError: there was no call yet.
        """
        return self._last().targets[0].convergence_delta

    def visualize(
        self,
        save_path: str | Path | None = None,
        method: str = "overlay",
        sign: str = "all",
        outlier_threshold: float = 0.1,
        use_original_image_pixels: bool = True,
        side_by_side: bool = False,
    ) -> tuple[Any, Any]:
        """Draws the last call's scores with matplotlib; written to a file too, where a path is given.

        Args:
            save_path: where the figure goes; its ending tells the format.
            method: "overlay", "heatmap", "alpha_scaling" or "masked_image".
            sign: "all", "positive", "negative" or "absolute": which scores are drawn.
            outlier_threshold: share of the scores, the largest ones, that are drawn alike, 0 to 1.
            use_original_image_pixels: draw the image as it was given, stretched to the model's size, rather
                than what the model saw.
            side_by_side: draw the image beside it.

        Returns:
            matplotlib's figure and axes.

        Raises:
            AttributionsNotCalculatedError: there was no call yet.
            ImportError: numpy, Pillow or matplotlib is not installed.
            OSError: the file cannot be written.
            ValueError: there is no such method or sign.
        """
        explanation = self.explanation
        if explanation is None or explanation.image_shape is None:
            raise AttributionsNotCalculatedError(NOT_CALCULATED)
        _check_choice("visualization_method", method, METHODS)
        _check_choice("sign", sign, SIGNS)
        if sign == "all" and method in _ONE_SIGN:
            warnings.warn(
                f"sign='all' is not supported for method='{method}'. Changing sign to default 'positive'.",
                stacklevel=2,
            )
            sign = "positive"
        shape = explanation.image_shape
        seen = image_array(shape, explanation.pixel_values).transpose(1, 2, 0)
        drawing = Drawing(
            scores=image_array(shape, explanation.targets[0].scores).sum(axis=0),
            image=original_pixels(self._image, shape) if use_original_image_pixels else seen,
            method=method,
            sign=sign,
            outlier_percent=min(outlier_threshold * 100, 100),
            predicted=self._prediction().label,
        )
        figure, axes = drawing.figure(side_by_side=side_by_side)
        if save_path:
            figure.savefig(save_path)
        return figure, axes

    def _needs_labels(self, call: ImageCall) -> bool:
        return self._labels is None and (call.class_name is not None or bool(self.custom_labels))

    def _asked(self, call: ImageCall) -> Question:
        """The question to send; what the call gives is remembered for the next ones."""
        targets = self._targets(call)
        self.noise_tunnel_type = NoiseKind(call.noise_tunnel_type).value
        self.n_steps = call.n_steps or self.n_steps
        self.n_steps_noise_tunnel = call.n_steps_noise_tunnel or self.n_steps_noise_tunnel
        self.noise_tunnel_n_samples = call.noise_tunnel_n_samples or self.noise_tunnel_n_samples
        self.internal_batch_size = call.internal_batch_size or self.internal_batch_size
        self._image = call.image
        noisy = self.attribution_type == "IGNT"
        tunnel = NoiseTunnel(NoiseKind(self.noise_tunnel_type), self.noise_tunnel_n_samples, seed=call.seed)
        task = ImageClassification(call.image, targets, self.custom_labels, tunnel if noisy else None)
        # The library explains logits. Said here, so that it holds in the other convention too.
        options = ExplainKeywords(output_space=call.output_space or OutputSpace.LOGIT)
        if call.tolerance is not None:
            options["tolerance"] = call.tolerance
        else:
            options["n_steps"] = self.n_steps_noise_tunnel if noisy else self.n_steps
        if call.timeout is not None:
            options["timeout"] = call.timeout
        return Question(task, options, self._convention)

    def _targets(self, call: ImageCall) -> tuple[ClassTarget, ...]:
        """The target to send: by index, else by name, else the predicted class.

        Raises:
            KeyError: there is no class of that name.
        """
        if call.index is not None:
            return (ClassTarget(operator.index(call.index)),)
        if call.class_name is None:
            return ()
        places = {label: place for place, label in enumerate(self._labels or ())}
        return (ClassTarget(places[call.class_name]),)

    def _finish(self, explanation: Explanation) -> Any:
        self._keep(explanation)
        if explanation.image_shape is not None:
            scores, pixels = explanation.targets[0].scores, explanation.pixel_values
            self.attributions = batch_of_one(explanation.image_shape, scores)
            self.inputs = batch_of_one(explanation.image_shape, pixels)
        return self.attributions


def _check_choice(name: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise ValueError(f"`{name}` must be one of the following: {', '.join(known)}; got {value!r}")
