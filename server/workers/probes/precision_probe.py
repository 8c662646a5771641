"""Which arithmetic a model's own code stands, found out by trying it once when it is loaded."""

import dataclasses

import torch

from ligserve.server.logs import logger
from ligserve.server.workers.engine.spec import PathSpec
from ligserve.server.workers.explainers import PLANNERS
from ligserve.server.workers.explainers.options.support import head_refusal, refusal
from ligserve.server.workers.models.attention import attention_depends_on_length
from ligserve.server.workers.models.loaded import LoadedModel, TextModel
from ligserve.server.workers.models.precision import MATRIX_TYPES, Precision, precision_name
from ligserve.server.workers.probes.probe_requests import PROBE_REQUESTS
from ligserve.v1 import explanation_pb2 as pb

_log = logger("ligserve.worker")
# Logits may move by this much, relative to 1 + their size: what rounds more is not worth asking for.
_TOLERANCE = 0.1


def with_precisions(model: LoadedModel) -> LoadedModel:
    """The model with only the precisions that it can be computed in; what its default needs is prepared."""
    spec = probe_spec(model)
    good = tuple(each for each in model.precisions if spec is None or _works(spec, each))
    model = dataclasses.replace(model, precisions=good or (pb.PRECISION_FLOAT32,))
    dtype = MATRIX_TYPES.get(model.precisions[0])
    if dtype is not None:
        model.rounded.prepare(model.network, dtype)
    return model


def probe_spec(model: LoadedModel) -> PathSpec | None:
    """The path of the smallest request that works; None where none does."""
    for explainer, request in PROBE_REQUESTS.items():
        if not head_refusal(model, explainer) and not refusal(model, explainer, pb.CONVENTION_FAITHFUL):
            return PLANNERS[explainer](request, model).paths[0].spec
    return None


def _works(spec: PathSpec, precision: Precision) -> bool:
    """Whether a point is finite, and close to what float32 gives."""
    dtype = MATRIX_TYPES.get(precision)
    if dtype is None:
        return True
    if isinstance(spec.model, TextModel) and attention_depends_on_length(spec.model.network):
        # A short text does not show what its attention of long ones would do.
        return False
    try:
        moved = [end.clone()[None].requires_grad_() for _, end in spec.ends()]
        exact = spec.predict()
        # Without copies of the matrices: no request may ever ask for them.
        with torch.enable_grad(), torch.autocast(spec.model.device.type, dtype):
            logits = spec.own(spec.run([spec.row], moved))
        gradient = torch.autograd.grad(logits.sum(), moved)
        finite = all(bool(each.isfinite().all()) for each in (logits, *gradient))
        close = bool(((logits[0] - exact).abs() <= _TOLERANCE * (1 + exact.abs())).all())
    except Exception as error:  # whatever a model's code raises
        why = " ".join(str(error).split())[:300]
    else:
        why = "" if finite and close else "its rounding changes what the model says"
    if why:
        _log.info("precision_refused", model=spec.model.name, precision=precision_name(precision), why=why)
    return not why
