"""Image classification: a classifier's output for one image."""

from collections.abc import Callable, Sequence

from torch import Tensor

from ligserve.server.workers.engine.pixel_path import PIXELS, PixelPathSpec
from ligserve.server.workers.explainers.inputs.image_file import read_image
from ligserve.server.workers.explainers.inputs.image_input import image_row
from ligserve.server.workers.explainers.options.image_setting import image_setting
from ligserve.server.workers.explainers.plans.plan import PathPlan, Plan
from ligserve.server.workers.explainers.targets.classes import ClassTargets, chosen_labels
from ligserve.server.workers.models.loaded import ImageModel
from ligserve.v1 import explanation_service_pb2 as pb

FIELD = "image_classification"
_TRANSPARENCY_IGNORED = pb.Warning(
    code="TRANSPARENCY_IGNORED",
    message="the image's transparency is ignored, as by transformers' pipeline: the model sees the colours "
    "that lie under it",
)


def plan_image_classification(request: pb.ExplainRequest, model: ImageModel) -> Plan:
    """Understand a request.

    Raises:
        InvalidArgumentError: the image cannot be read, or a class does not fit the model.
        FailedPreconditionError: the model cannot be explained in this way.
    """
    question = request.image_classification
    setting = image_setting(question, request.options, model, FIELD)
    read = read_image(question, FIELD, model.channels)
    row = image_row(model, read.image, library=setting.library)
    spec = PixelPathSpec(model, row, row, setting.precision)
    labels = chosen_labels(model.labels, question.custom_labels, f"{FIELD}.custom_labels")
    targets = ClassTargets(labels, question.targets, setting.space, f"{FIELD}.targets")
    path = PathPlan(spec, setting.rule(spec), pb.Tokens(), targets.explained, targets.count)
    return Plan(
        model=model,
        convention=setting.convention,
        paths=[path],
        outcome=_outcome(targets, spec, with_pixels=question.return_pixel_values),
        warnings=[_TRANSPARENCY_IGNORED] if read.transparent else [],
        copies=setting.copies(spec),
    )


def _outcome(
    targets: ClassTargets, spec: PixelPathSpec, *, with_pixels: bool
) -> Callable[[Sequence[Tensor]], pb.Header]:
    """The prediction, and what the model sees."""

    def outcome(logits: Sequence[Tensor]) -> pb.Header:
        channels, height, width = spec.shape
        header = targets.outcome(logits)
        header.image_shape.CopyFrom(
            pb.ImageShape(channels=channels, height=height, width=width, patch_size=spec.model.patch_size)
        )
        if with_pixels:
            header.pixel_values.extend(spec.row[PIXELS].flatten().tolist())
        return header

    return outcome
