"""The question about an image."""

from collections.abc import Iterable
from dataclasses import dataclass

from ligserve.client.classes import Targets, add_targets, as_targets
from ligserve.client.fields import FieldScope
from ligserve.client.images.sending import ImageLike, fill_image
from ligserve.client.quantities import check_number
from ligserve.client.types.enums import NoiseKind, choice
from ligserve.v1 import explanation_pb2 as pb
from ligserve.v1 import explanation_service_pb2 as service_pb


@dataclass(frozen=True, slots=True)
class NoiseTunnel:
    """Averages an attribution over noisy copies of the input (Smilkov et al. 2017).

    Samples, stdev and seed that are None are left to the server.

    Raises:
        ValueError: there is no such kind.
    """

    kind: NoiseKind | str = NoiseKind.SMOOTHGRAD
    samples: int | None = None
    stdev: float | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", choice(NoiseKind, self.kind, "kind"))

    def fill(self, message: pb.NoiseTunnel, scope: FieldScope) -> None:
        """Write these settings into a request."""
        message.kind = pb.NoiseTunnel.Kind.Value(f"KIND_{NoiseKind(self.kind).name}")
        if self.samples is not None:
            message.samples = scope.unsigned("samples", self.samples)
        if self.stdev is not None:
            check_number("noise_tunnel.stdev", self.stdev)
            message.stdev = self.stdev
        if self.seed is not None:
            message.seed = scope.unsigned("seed", self.seed, bits=64)


@dataclass(frozen=True, slots=True)
class ImageClassification:
    """Explains an image classifier's output for one image.

    Attributes:
        image: the bytes of a PNG or JPEG file, a PIL image, or an array of uint8: (height, width), or
            (height, width, channels) with 1, 3 or 4 of them. Never a path.
        targets: as in `SequenceClassification`.
        custom_labels: names that replace the model's labels, one per label.
        noise_tunnel: average over noisy copies of the image; None: plain integrated gradients.
        return_pixel_values: whether the answer holds what the model sees, for pictures.
    """

    image: ImageLike
    targets: Targets = ()
    custom_labels: Iterable[str] = ()
    noise_tunnel: NoiseTunnel | None = None
    return_pixel_values: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "targets", as_targets(self.targets))
        object.__setattr__(self, "custom_labels", tuple(self.custom_labels))

    @property
    def texts(self) -> tuple[str, ...]:
        """None: an image has no text."""
        return ()

    def fill(self, request: service_pb.ExplainRequest, scope: FieldScope) -> None:
        """Write this question into a request.

        Raises:
            ImportError: an array is too large to be sent raw, and Pillow is not installed.
            TypeError: the image is none, such as a path.
            ValueError: an array's shape is not that of an image.
        """
        task, here = request.image_classification, scope.at("image_classification")
        fill_image(task, self.image)
        task.return_pixel_values = self.return_pixel_values
        add_targets(task.targets, self.targets, here)
        task.custom_labels.extend(here.texts("custom_labels", self.custom_labels))
        if self.noise_tunnel is not None:
            self.noise_tunnel.fill(task.noise_tunnel, here.at("noise_tunnel"))
