"""Explainers: from a request to a plan for the engine, by the request's explainer field."""

from collections.abc import Callable, Mapping

from ligserve.server.workers.explainers.image_classification import plan_image_classification
from ligserve.server.workers.explainers.multi_label_classification import plan_multi_label_classification
from ligserve.server.workers.explainers.options.support import refuse_head
from ligserve.server.workers.explainers.pairwise_sequence_classification import (
    plan_pairwise_sequence_classification,
)
from ligserve.server.workers.explainers.plans.explained import Explained
from ligserve.server.workers.explainers.plans.plan import PathPlan, Plan, Planning
from ligserve.server.workers.explainers.question_answering import plan_question_answering
from ligserve.server.workers.explainers.sequence_classification import plan_sequence_classification
from ligserve.server.workers.explainers.token_classification import plan_token_classification
from ligserve.server.workers.explainers.zero_shot_classification import plan_zero_shot_classification
from ligserve.server.workers.models.loaded import ImageModel, LoadedModel, TextModel
from ligserve.v1.explanation_service_pb2 import ExplainRequest

# A plan of a request, or the making of one.
Planner = Callable[[ExplainRequest, LoadedModel], Plan]
StepwisePlanner = Callable[[ExplainRequest, LoadedModel], Planning]


def _of_text(plan: Callable[[ExplainRequest, TextModel], Plan | Planning], explainer: str) -> StepwisePlanner:
    """A planner for any model, from one for models of text."""

    def plan_text(request: ExplainRequest, model: LoadedModel) -> Planning:
        refuse_head(model, explainer)
        if not isinstance(model, TextModel):
            raise RuntimeError(f"model '{model.name}' has a text head and no tokenizer")
        made = plan(request, model)
        return made if isinstance(made, Plan) else (yield from made)

    return plan_text


def _plan_image(request: ExplainRequest, model: LoadedModel) -> Planning:
    refuse_head(model, "image_classification")
    if not isinstance(model, ImageModel):
        raise RuntimeError(f"model '{model.name}' has an image head and no image processor")
    yield from ()
    return plan_image_classification(request, model)


def _at_once(planner: StepwisePlanner) -> Planner:
    """A planner that does not stop to let others have their turn."""

    def plan(request: ExplainRequest, model: LoadedModel) -> Plan:
        planning = planner(request, model)
        while True:
            try:
                next(planning)
            except StopIteration as done:
                made: Plan = done.value
                return made

    return plan


_TEXT_PLANNERS: Mapping[str, Callable[[ExplainRequest, TextModel], Plan | Planning]] = {
    "sequence_classification": plan_sequence_classification,
    "pairwise_sequence_classification": plan_pairwise_sequence_classification,
    "multi_label_classification": plan_multi_label_classification,
    "zero_shot_classification": plan_zero_shot_classification,
    "token_classification": plan_token_classification,
    "question_answering": plan_question_answering,
}
STEPWISE_PLANNERS: Mapping[str, StepwisePlanner] = {
    **{name: _of_text(plan, name) for name, plan in _TEXT_PLANNERS.items()},
    "image_classification": _plan_image,
}
PLANNERS: Mapping[str, Planner] = {name: _at_once(planner) for name, planner in STEPWISE_PLANNERS.items()}

__all__ = [
    "PLANNERS",
    "STEPWISE_PLANNERS",
    "Explained",
    "PathPlan",
    "Plan",
    "Planner",
    "Planning",
    "StepwisePlanner",
]
