"""What a model can and cannot do, found out by trying it once when it is loaded."""

import dataclasses

import torch

from ligserve.server.errors import ServeError
from ligserve.server.workers.explainers.baselines import DEFAULT_BASELINE, token_or_none
from ligserve.server.workers.explainers.faithful_text import faithful_input
from ligserve.server.workers.explainers.library_text import library_input
from ligserve.server.workers.explainers.text_input import TextInput
from ligserve.server.workers.models.layers import layer_output, replaced_output
from ligserve.server.workers.models.loaded import LoadedModel, RowInputs
from ligserve.v1 import explanation_pb2 as pb

_SHORT = "a probe"
_LONG = "a probe of how rows of unequal length share one batch without touching each other"
# Logits may move by this much under padding, relative to 1 + their size.
_PADDING_TOLERANCE = 1e-5


def probed(model: LoadedModel) -> LoadedModel:
    """The model with what the probe found: padding, and the conventions that it refuses."""
    return dataclasses.replace(
        model,
        pads_safely=_pads_safely(model),
        faithful_refusal=_refusal(model, "faithful"),
        library_refusal=_refusal(model, "library"),
    )


def _inputs(model: LoadedModel, text: str, convention: str) -> TextInput:
    token = token_or_none(model, DEFAULT_BASELINE)
    if token is None:
        raise ValueError("its tokenizer has neither a padding nor an end-of-text token")
    read = library_input if convention == "library" else faithful_input
    return read(model, text, "text", token)


def _refusal(model: LoadedModel, convention: str) -> str:
    """Why one point of a path fails; empty if it works."""
    try:
        text = _inputs(model, _SHORT, convention)
        layer = model.layers[pb.EMBEDDING_LAYER_WORD]
        layer_output(model.network, layer, model.batch([text.baseline_row]))
        end = layer_output(model.network, layer, model.batch([text.row]))
        with torch.no_grad(), replaced_output(layer, end[None]):
            logits = model.logits(model.batch([text.row]))
    except ServeError as error:
        return error.message
    except Exception as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]
    return "" if bool(logits.isfinite().all()) else "its logits are not finite"


def _pads_safely(model: LoadedModel) -> bool:
    """Whether a row's logits are the same alone and beside a longer row."""
    try:
        short, long = (_inputs(model, text, "faithful").row for text in (_SHORT, _LONG))
        alone, beside = _first_logits(model, [short]), _first_logits(model, [short, long])
    except Exception:
        return False
    moved = (alone - beside).abs() / (1 + alone.abs())
    return bool(moved.max() <= _PADDING_TOLERANCE)


def _first_logits(model: LoadedModel, rows: list[RowInputs]) -> torch.Tensor:
    with torch.no_grad():
        return model.logits(model.batch(rows))[0]
