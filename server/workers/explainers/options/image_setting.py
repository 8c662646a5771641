"""How an image is to be explained: what fits it of a request's options."""

from dataclasses import dataclass

from ligserve.server.errors import FailedPreconditionError
from ligserve.server.workers.engine.pixel_path import PixelPathSpec
from ligserve.server.workers.explainers.inputs.noise import noisy_copies
from ligserve.server.workers.explainers.options.accuracy import DEFAULT_STEPS, image_rule
from ligserve.server.workers.explainers.options.precision import chosen_precision
from ligserve.server.workers.explainers.options.retargeting import refuse_retargetable
from ligserve.server.workers.explainers.options.support import refuse_unsupported
from ligserve.server.workers.explainers.plans.plan import NoisyCopies
from ligserve.server.workers.models.loaded import ImageModel
from ligserve.server.workers.models.precision import Precision
from ligserve.server.workers.quadrature import QuadratureRule
from ligserve.v1 import explanation_pb2 as pb

IMAGE_BASELINES = ("zero_embedding",)
DEFAULT_SAMPLES = 10
DEFAULT_STDEV = 1.0
LIBRARY_NOISY_STEPS = 5
# Enough for full batches; a thousand copies at once would fill the memory and take everybody's turn.
COPIES_AT_ONCE = 8
# Scores that an adaptive rule may keep, over all points, targets and paths of a request: half a GiB.
MAX_SCORES_KEPT = 1 << 27
FEWEST_POINTS = 17


@dataclass(frozen=True)
class ImageSetting:
    """The options of a request, made good for a model of images.

    Attributes:
        question: the request's question.
        options: the options as they came.
        convention: whose habits are followed.
        space: the function of the logits.
        precision: the arithmetic of the paths' points.
    """

    question: pb.ImageClassification
    options: pb.ExplainOptions
    convention: "pb.Convention.ValueType"
    space: "pb.OutputSpace.ValueType"
    precision: Precision

    @property
    def library(self) -> bool:
        """Whether the library's habits are followed."""
        return self.convention == pb.CONVENTION_LIBRARY

    @property
    def noisy(self) -> bool:
        """Whether noisy copies take the image's place."""
        return self.question.HasField("noise_tunnel")

    def rule(self, spec: PixelPathSpec) -> QuadratureRule:
        """The rule for the image's path, or for each copy's."""
        paths = COPIES_AT_ONCE if self.noisy else 1
        each_point = spec.length * max(1, len(self.question.targets)) * paths
        steps = LIBRARY_NOISY_STEPS if self.library and self.noisy else DEFAULT_STEPS
        fit = max(FEWEST_POINTS, MAX_SCORES_KEPT // each_point)
        return image_rule(self.options, self.convention, steps, fit)

    def copies(self, spec: PixelPathSpec) -> NoisyCopies | None:
        """The noisy copies that are asked for; None if none are."""
        if not self.noisy:
            return None
        tunnel = self.question.noise_tunnel
        samples = tunnel.samples if tunnel.HasField("samples") else DEFAULT_SAMPLES
        stdev = tunnel.stdev if tunnel.HasField("stdev") else DEFAULT_STDEV
        return NoisyCopies(
            specs=noisy_copies(spec, samples, stdev, tunnel.seed),
            samples=samples,
            at_once=COPIES_AT_ONCE,
            kind=tunnel.kind or pb.NoiseTunnel.KIND_SMOOTHGRAD,
        )


def image_setting(
    question: pb.ImageClassification, options: pb.ExplainOptions, model: ImageModel, explainer: str
) -> ImageSetting:
    """The setting that a request asks for.

    Raises:
        FailedPreconditionError: the model cannot be explained in this way, or an option fits only texts.
        InvalidArgumentError: it is to be retargetable.
    """
    convention = options.convention or pb.CONVENTION_FAITHFUL
    refuse_retargetable(model, options)
    refuse_unsupported(model, explainer, convention)
    if options.embedding_layer:
        raise FailedPreconditionError(
            f"model '{model.name}' sees images, whose pixel values move: it has no embedding layer to choose",
            reason="EMBEDDING_LAYER_UNSUPPORTED",
        )
    kinds = [kind for baseline in options.baselines if (kind := baseline.WhichOneof("kind"))]
    unfit = [kind for kind in kinds if kind not in IMAGE_BASELINES]
    if unfit:
        raise FailedPreconditionError(
            f"model '{model.name}' sees images, which have no {unfit[0]}; "
            f"it supports {', '.join(IMAGE_BASELINES)}: pixel values of 0",
            reason="BASELINE_UNSUPPORTED",
        )
    library = convention == pb.CONVENTION_LIBRARY
    default_space = pb.OUTPUT_SPACE_LOGIT if library else pb.OUTPUT_SPACE_PROBABILITY
    return ImageSetting(
        question,
        options,
        convention,
        options.output_space or default_space,
        chosen_precision(options, convention, model),
    )
