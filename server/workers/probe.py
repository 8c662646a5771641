"""What a model can and cannot do, found out by trying it once when it is loaded."""

import dataclasses
from collections.abc import Callable

import torch

from ligserve.server.errors import ServeError
from ligserve.server.workers.explainers.baselines import DEFAULT_BASELINE, token_or_none
from ligserve.server.workers.explainers.faithful_text import faithful_input, faithful_pair
from ligserve.server.workers.explainers.library_pair import library_pair
from ligserve.server.workers.explainers.library_text import library_input
from ligserve.server.workers.explainers.text_input import SourceText, TextInput
from ligserve.server.workers.models.layers import layer_output, replaced_output
from ligserve.server.workers.models.loaded import LoadedModel, RowInputs
from ligserve.v1 import explanation_pb2 as pb

_SHORT = "a probe"
_LONG = "a probe of how rows of unequal length share one batch without touching each other"
_PAIR = (SourceText(_SHORT, "text1"), SourceText("two probes", "text2"))
# Logits may move by this much under padding, relative to 1 + their size.
_PADDING_TOLERANCE = 1e-5


def probed(model: LoadedModel) -> LoadedModel:
    """The model with what the probe found: padding, and the conventions that it refuses."""
    faithful, library = _refusal(model, _faithful), _refusal(model, _library)
    return dataclasses.replace(
        model,
        pads_safely=_pads_safely(model),
        faithful_refusal=faithful,
        library_refusal=library,
        faithful_pair_refusal=faithful or _refusal(model, _faithful_pair),
        library_pair_refusal=library or _refusal(model, _library_pair),
    )


def _faithful(model: LoadedModel, token: int) -> TextInput:
    return faithful_input(model, _SHORT, "text", token)


def _library(model: LoadedModel, token: int) -> TextInput:
    return library_input(model, _SHORT, "text", token)


def _faithful_pair(model: LoadedModel, token: int) -> TextInput:
    return faithful_pair(model, *_PAIR, token)


def _library_pair(model: LoadedModel, token: int) -> TextInput:
    return library_pair(model, *_PAIR, token)


def _refusal(model: LoadedModel, read: Callable[[LoadedModel, int], TextInput]) -> str:
    """Why one point of a path fails; empty if it works."""
    try:
        text = read(model, _baseline_token(model))
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


def _baseline_token(model: LoadedModel) -> int:
    token = token_or_none(model, DEFAULT_BASELINE)
    if token is None:
        raise ValueError("its tokenizer has neither a padding nor an end-of-text token")
    return token


def _pads_safely(model: LoadedModel) -> bool:
    """Whether a row's logits are the same alone and beside a longer row."""
    try:
        token = _baseline_token(model)
        short, long = (faithful_input(model, text, "text", token).row for text in (_SHORT, _LONG))
        alone, beside = _first_logits(model, [short]), _first_logits(model, [short, long])
    except Exception:
        return False
    moved = (alone - beside).abs() / (1 + alone.abs())
    return bool(moved.max() <= _PADDING_TOLERANCE)


def _first_logits(model: LoadedModel, rows: list[RowInputs]) -> torch.Tensor:
    with torch.no_grad():
        return model.logits(model.batch(rows))[0]
