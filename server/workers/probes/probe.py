"""What a model can and cannot do, found out by trying it once when it is loaded."""

import dataclasses
from collections.abc import Mapping

import torch

from ligserve.server.errors import ServeError
from ligserve.server.workers.engine.embedding_path import EmbeddingPathSpec
from ligserve.server.workers.engine.spec import PathSpec
from ligserve.server.workers.explainers import PLANNERS
from ligserve.server.workers.explainers.inputs.faithful_text import faithful_input, faithful_pair
from ligserve.server.workers.explainers.inputs.text_input import SourceText
from ligserve.server.workers.explainers.options.baselines import DEFAULT_BASELINE, token_or_none
from ligserve.server.workers.explainers.options.support import CONVENTIONS, head_refusal, refusal
from ligserve.server.workers.models.attention import attention_depends_on_length
from ligserve.server.workers.models.first_token import keep_first_token
from ligserve.server.workers.models.head import SEQUENCE, SPAN
from ligserve.server.workers.models.indexes import checked_indexes
from ligserve.server.workers.models.layers import EmbeddingLayer, LookupCountError
from ligserve.server.workers.models.loaded import LoadedModel, RowInputs, TextModel
from ligserve.server.workers.probes.probe_requests import PROBE_REQUESTS
from ligserve.v1 import explanation_pb2 as pb
from ligserve.v1.explanation_service_pb2 import ExplainRequest

_SHORT = "a probe"
_LONG = "a probe of how rows of unequal length share one batch without touching each other"
# Logits may move by this much, relative to 1 + their size, under padding,
_PADDING_TOLERANCE = 1e-5
# and where embeddings are replaced by themselves.
_REPLACED_TOLERANCE = 1e-4
# Probabilities may move by this much in a batch of so many rows: a tenth of what is promised of predictions.
_BATCH_TOLERANCE, _ROWS = 1e-7, 15


def probed(model: LoadedModel) -> LoadedModel:
    """The model with what the probe found: its last layer, padding, layers that move, and what it refuses."""
    if isinstance(model, TextModel):
        model = dataclasses.replace(model, first_token_only=_keeps_first_token(model))
        model = dataclasses.replace(model, same_in_batches=_same_in_batches(model))
    model = dataclasses.replace(model, pads_safely=isinstance(model, TextModel) and _pads_safely(model))
    if isinstance(model, TextModel):
        model = dataclasses.replace(model, layers=_layers(model))
    tried = {
        (explainer, convention): _refusal(model, explainer, convention)
        for explainer in PLANNERS
        for convention in CONVENTIONS
        if not head_refusal(model, explainer) and not refusal(model, explainer, convention)
    }
    return dataclasses.replace(model, refusals={key: why for key, why in tried.items() if why})


def _refusal(model: LoadedModel, explainer: str, convention: "pb.Convention.ValueType") -> str:
    """Why a point of a path fails; empty if both ends work."""
    request = ExplainRequest()
    request.CopyFrom(PROBE_REQUESTS[explainer])
    request.options.convention = convention
    try:
        spec = PLANNERS[explainer](request, model).paths[0].spec
        with checked_indexes(model.network):
            return _wrong_ends(spec, same_inputs=convention == pb.CONVENTION_FAITHFUL)
    except ServeError as error:
        return error.message
    except LookupCountError as error:
        return str(error)
    except Exception as error:  # whatever a model's code raises
        return f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]


def _wrong_ends(spec: PathSpec, *, same_inputs: bool) -> str:
    """What is wrong with the model's output at the ends of a path; empty for nothing."""
    ends = spec.ends()
    plain = spec.predict()
    with torch.no_grad():
        at_start, at_end = (spec.run([spec.row], [each[n][None] for each in ends])[0] for n in (0, 1))
    if not all(bool(logits.isfinite().all()) for logits in (plain, at_start, at_end)):
        return "its logits are not finite"
    moved = (at_end - plain).abs() / (1 + plain.abs())
    if same_inputs and bool(moved.max() > _REPLACED_TOLERANCE):
        return "its output changes when its embeddings are replaced by themselves"
    return ""


def _layers(model: TextModel) -> Mapping["pb.EmbeddingLayer.ValueType", EmbeddingLayer]:
    """The model's layers, without an embeddings block that a path cannot move."""
    block = model.layers.get(pb.EMBEDDING_LAYER_ALL)
    broken = block is not None and not _moves(model, block)
    return {kind: layer for kind, layer in model.layers.items() if not (broken and layer is block)}


def _moves(model: TextModel, layer: EmbeddingLayer) -> bool:
    """Whether the layer's output can be replaced by itself and the model's output stays."""
    try:
        row = _row(model, _SHORT)
        spec = EmbeddingPathSpec(model, layer, row, baseline_row=row, prediction_row=row)
        return not _wrong_ends(spec, same_inputs=True)
    except Exception:
        return False


def _keeps_first_token(model: TextModel) -> bool:
    """Have a classifier's last layer leave out what its head does not read; whether it can."""
    if model.head is not SEQUENCE:
        return False
    try:
        inputs = model.batch([_row(model, _LONG)])
    except Exception:
        return False
    return keep_first_token(model.network, lambda: model.logits(inputs))


def _same_in_batches(model: TextModel) -> bool:
    """Whether a classifier gives a row in a batch of points the probabilities that it gives the row alone."""
    if model.head is not SEQUENCE:
        return False
    try:
        return all(_batch_moves(model, text) <= _BATCH_TOLERANCE for text in (_SHORT, _LONG, _LONG[::-1]))
    except Exception:
        return False


def _batch_moves(model: TextModel, text: str) -> float:
    """How far a row's probabilities move in a batch of as many rows as a first round has."""
    row = _row(model, text)
    with torch.enable_grad():
        beside = model.logits(model.batch([row] * _ROWS)).detach()
    alone = _first_logits(model, [row])
    moved = [(squash(beside) - squash(alone)).abs().max() for squash in (torch.sigmoid, _softmax)]
    return float(max(moved))


def _softmax(logits: torch.Tensor) -> torch.Tensor:
    return torch.softmax(logits, dim=-1)


def _pads_safely(model: TextModel) -> bool:
    """Whether a row's logits are the same alone and beside a longer row."""
    if attention_depends_on_length(model.network):
        return False
    # Else the short row, too, might be padded.
    model = dataclasses.replace(model, length_step=1)
    try:
        short, long = (_row(model, text) for text in (_SHORT, _LONG))
        alone, beside = _first_logits(model, [short]), _first_logits(model, [short, long])
    except Exception:
        return False
    own = beside[: len(alone)] if model.head.per_token else beside
    moved = (alone - own).abs() / (1 + alone.abs())
    return bool(moved.max() <= _PADDING_TOLERANCE)


def _row(model: TextModel, text: str) -> RowInputs:
    """A row of a kind that the head takes: some question answerers take nothing but pairs."""
    token = token_or_none(model, DEFAULT_BASELINE) or 0
    if model.head is SPAN:
        source = SourceText(text, "text")
        return faithful_pair(model, source, source, token).row
    return faithful_input(model, text, "text", token).row


def _first_logits(model: TextModel, rows: list[RowInputs]) -> torch.Tensor:
    with torch.no_grad():
        return model.logits(model.batch(rows))[0]
