"""Explainers: from a request to a plan for the engine, by the request's explainer field."""

from collections.abc import Callable, Mapping

from ligserve.server.workers.explainers.plan import Plan
from ligserve.server.workers.explainers.sequence_classification import plan_sequence_classification
from ligserve.server.workers.models.loaded import LoadedModel
from ligserve.v1.explanation_service_pb2 import ExplainRequest

Planner = Callable[[ExplainRequest, LoadedModel], Plan]

PLANNERS: Mapping[str, Planner] = {"sequence_classification": plan_sequence_classification}

__all__ = ["PLANNERS", "Plan", "Planner"]
