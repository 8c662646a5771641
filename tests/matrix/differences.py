"""In which inputs FAITHFUL and LIBRARY differ, for one question to one model."""

from pathlib import Path

import torch
from torch import Tensor

from ligserve.client import ExplainOptions, Task
from ligserve.client.requests import explain_request
from ligserve.internal.v1.frames_pb2 import ModelSource
from ligserve.server.workers.explainers import PLANNERS
from ligserve.server.workers.models.loaded import LoadedModel, RowInputs, TextModel
from ligserve.server.workers.models.loading import load_model


def differing_inputs(directory: Path, task: Task) -> list[str]:
    """Names of what differs between the two conventions' rows; none where their numbers are the same."""
    torch.set_num_threads(1)
    model = load_model(ModelSource(name="m", source=str(directory)), "cpu")
    faithful, library = (_row(model, task, convention) for convention in ("faithful", "library"))
    if not torch.equal(faithful["input_ids"], library["input_ids"]):
        return ["tokens"]
    pairs = {
        "types": (_types(faithful), _types(library)),
        "positions": (_positions(model, faithful), _positions(model, library)),
    }
    return [name for name, (ours, theirs) in pairs.items() if not torch.equal(ours, theirs)]


def _row(model: LoadedModel, task: Task, convention: str) -> RowInputs:
    request = explain_request("m", task, ExplainOptions(convention=convention))
    explainer = request.WhichOneof("explainer")
    assert explainer is not None
    return PLANNERS[explainer](request, model).paths[0].spec.row


def _types(row: RowInputs) -> Tensor:
    """The token types; zeros where the model makes them up itself."""
    return row.get("token_type_ids", torch.zeros_like(row["input_ids"]))


def _positions(model: LoadedModel, row: RowInputs) -> Tensor:
    """The positions; where the model makes them up itself, those that it counts."""
    assert isinstance(model, TextModel)
    counted = torch.arange(len(row["input_ids"])) + model.first_position
    return row.get("position_ids", counted)
