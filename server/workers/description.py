"""A loaded model as ModelService shows it."""

from collections.abc import Sequence

from ligserve.server.long_inputs import LONG_INPUTS, long_input_support
from ligserve.server.workers.explainers import PLANNERS
from ligserve.server.workers.explainers.options.baselines import supported_baselines
from ligserve.server.workers.explainers.options.image_setting import IMAGE_BASELINES
from ligserve.server.workers.explainers.options.moved_layer import supported_layers
from ligserve.server.workers.explainers.options.support import CONVENTIONS, head_refusal, refusal
from ligserve.server.workers.models.loaded import LoadedModel, TextModel
from ligserve.v1 import explanation_pb2, model_service_pb2


def describe(model: LoadedModel) -> model_service_pb2.Model:
    """Everything but the workers that hold it."""
    network = model.network
    return model_service_pb2.Model(
        name=model.name,
        revision=model.revision,
        architecture=type(network).__name__,
        model_type=network.config.model_type,
        labels=model.labels,
        num_logits=model.num_logits,
        max_tokens=model.max_tokens if isinstance(model, TextModel) else 0,
        dtype=str(network.dtype).removeprefix("torch."),
        parameters=network.num_parameters(),
        explainers=[_support(name, model) for name in PLANNERS if not head_refusal(model, name)],
        precisions=model.precisions,
    )


def _support(explainer: str, model: LoadedModel) -> model_service_pb2.ExplainerSupport:
    refusals = {convention: refusal(model, explainer, convention) for convention in CONVENTIONS}
    conventions = [convention for convention, why in refusals.items() if not why]
    layers, baselines = _choices(model, conventions)
    return model_service_pb2.ExplainerSupport(
        explainer=explainer,
        conventions=conventions,
        embedding_layers=layers,
        baselines=baselines,
        refusals=[
            f"{explanation_pb2.Convention.Name(convention).removeprefix('CONVENTION_')}: {why}"
            for convention, why in refusals.items()
            if why
        ],
        long_inputs=[
            long_input_support(explainer, convention)
            for convention in conventions
            if explainer in LONG_INPUTS
        ],
    )


def _choices(
    model: LoadedModel, conventions: Sequence["explanation_pb2.Convention.ValueType"]
) -> tuple[Sequence["explanation_pb2.EmbeddingLayer.ValueType"], Sequence[str]]:
    """The layers that a path can move, and where it can start."""
    if not isinstance(model, TextModel):
        return (), IMAGE_BASELINES
    layers = {layer for convention in conventions for layer in supported_layers(model, convention)}
    return sorted(layers), supported_baselines(model)
