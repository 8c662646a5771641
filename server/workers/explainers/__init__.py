"""Explainers: from a request to a plan for the engine, by the request's explainer field."""

from collections.abc import Callable, Mapping

from ligserve.server.workers.explainers.multi_label_classification import plan_multi_label_classification
from ligserve.server.workers.explainers.pairwise_sequence_classification import (
    plan_pairwise_sequence_classification,
)
from ligserve.server.workers.explainers.plan import PathPlan, Plan
from ligserve.server.workers.explainers.sequence_classification import plan_sequence_classification
from ligserve.server.workers.explainers.zero_shot_classification import plan_zero_shot_classification
from ligserve.server.workers.models.loaded import LoadedModel
from ligserve.v1.explanation_service_pb2 import ExplainRequest

Planner = Callable[[ExplainRequest, LoadedModel], Plan]

PLANNERS: Mapping[str, Planner] = {
    "sequence_classification": plan_sequence_classification,
    "pairwise_sequence_classification": plan_pairwise_sequence_classification,
    "multi_label_classification": plan_multi_label_classification,
    "zero_shot_classification": plan_zero_shot_classification,
}

__all__ = ["PLANNERS", "PathPlan", "Plan", "Planner"]
