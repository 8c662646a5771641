"""How a request is to be explained: what all explainers of text share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from ligserve.server.workers.engine.embedding_path import EmbeddingPathSpec
from ligserve.server.workers.engine.outputs import Output
from ligserve.server.workers.explainers.inputs.text_input import TextInput
from ligserve.server.workers.explainers.options.accuracy import quadrature_rule
from ligserve.server.workers.explainers.options.baselines import baseline_kind, replacement_token
from ligserve.server.workers.explainers.options.moved_layer import default_layer, moved_layer, start_row
from ligserve.server.workers.explainers.options.precision import chosen_precision
from ligserve.server.workers.explainers.options.retargeting import every_class
from ligserve.server.workers.explainers.options.support import refuse_unsupported
from ligserve.server.workers.explainers.plans.explained import Explained
from ligserve.server.workers.explainers.plans.plan import PathPlan
from ligserve.server.workers.models.loaded import TextModel
from ligserve.server.workers.models.precision import Precision
from ligserve.v1 import explanation_pb2, explanation_service_pb2


@dataclass(frozen=True)
class Setting:
    """The options of a request, made good for a model.

    Attributes:
        model: the model.
        options: the options as they came.
        convention: whose habits are followed.
        space: the function of the logits.
        token: id that replaces the texts' tokens at a path's start.
        layer: the layer whose output moves.
        zeroed: whether the texts' embeddings start from zero.
        precision: the arithmetic of the paths' points.
        warnings: what is odd about it.
        every_class: the logits of all classes where the request is to be retargetable, else empty.
        paths: how many paths are integrated at a time, each by a rule of its own.
    """

    model: TextModel
    options: explanation_pb2.ExplainOptions
    convention: "explanation_pb2.Convention.ValueType"
    space: "explanation_pb2.OutputSpace.ValueType"
    token: int
    layer: "explanation_pb2.EmbeddingLayer.ValueType"
    zeroed: bool
    precision: Precision
    warnings: Sequence[explanation_service_pb2.Warning]
    every_class: Sequence[Output] = ()
    paths: int = 1

    @property
    def library(self) -> bool:
        """Whether the library's habits are followed."""
        return self.convention == explanation_pb2.CONVENTION_LIBRARY

    def path(
        self,
        text: TextInput,
        explained: Callable[[Tensor], Sequence[Explained]],
        most_targets: int = 1,
        first_target: int = 0,
        hypothesis: str = "",
    ) -> PathPlan:
        """A path over a text in this setting; arguments as in `PathPlan`."""
        spec = EmbeddingPathSpec(
            model=self.model,
            layer=self.model.layers[self.layer],
            row=text.row,
            baseline_row=start_row(self.model, self.convention, self.layer, text),
            zeroed=text.content if self.zeroed else None,
            prediction_row=text.prediction_row,
            precision=self.precision,
        )
        # With all classes' logits evaluated, every target follows from a point.
        separate = 1 if self.every_class else most_targets
        rule = quadrature_rule(self.options, self.convention, paths=self.paths, separate=separate)
        return PathPlan(
            spec,
            rule,
            text.tokens,
            explained,
            most_targets,
            first_target,
            hypothesis,
            basis=self.every_class,
        )


def setting_of(request: explanation_service_pb2.ExplainRequest, model: TextModel, explainer: str) -> Setting:
    """The setting that a request asks for.

    Raises:
        FailedPreconditionError: the model cannot be explained in this way.
        InvalidArgumentError: it is to be retargetable and cannot be.
    """
    options = request.options
    convention = options.convention or explanation_pb2.CONVENTION_FAITHFUL
    refuse_unsupported(model, explainer, convention)
    asked = options.embedding_layer or default_layer(explainer, convention)
    layer, warnings = moved_layer(model, convention, asked)
    kind = baseline_kind(options)
    return Setting(
        model=model,
        options=options,
        convention=convention,
        space=options.output_space or explanation_pb2.OUTPUT_SPACE_PROBABILITY,
        token=replacement_token(model, kind),
        layer=layer,
        zeroed=kind == "zero_embedding",
        precision=chosen_precision(options, convention, model),
        warnings=warnings,
        every_class=every_class(model) if options.retargetable else (),
    )
