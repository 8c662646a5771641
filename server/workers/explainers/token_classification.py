"""Token classification: the label that a model gives to each token, in one shared forward pass."""

from collections.abc import Callable

import torch
from torch import Tensor

from ligserve.server.workers.explainers.faithful_text import faithful_input
from ligserve.server.workers.explainers.library_text import library_input
from ligserve.server.workers.explainers.plan import Plan
from ligserve.server.workers.explainers.setting import setting_of
from ligserve.server.workers.explainers.token_labels import TokenTargets
from ligserve.server.workers.models.loaded import RowInputs, TextModel
from ligserve.v1.explanation_service_pb2 import ExplainRequest

FIELD = "token_classification"


def plan_token_classification(request: ExplainRequest, model: TextModel) -> Plan:
    """Understand a request.

    Raises:
        InvalidArgumentError: the text, an index or a label does not fit the model.
        FailedPreconditionError: the model cannot be explained in this way.
    """
    question, setting = request.token_classification, setting_of(request, model, FIELD)
    field, moved_positions = f"{FIELD}.text", False
    if setting.library:
        # The library gives token types to sequence classifiers alone.
        text = library_input(model, question.text, field, setting.token, types=False)
        moved_positions = "position_ids" in text.row and model.first_position > 0
    else:
        text = faithful_input(model, question.text, field, setting.token)
    targets = TokenTargets(
        model.labels,
        text.tokens,
        question,
        setting.space,
        FIELD,
        library=setting.library,
        path_end=_logits_of(model, text.row) if moved_positions else None,
    )
    return Plan(
        model=model,
        convention=setting.convention,
        paths=[setting.path(text, targets.explained)],
        outcome=targets.outcome,
        warnings=setting.warnings,
    )


def _logits_of(model: TextModel, row: RowInputs) -> Callable[[], Tensor]:
    def logits() -> Tensor:
        with torch.no_grad():
            return model.logits(model.batch([row]))[0]

    return logits
