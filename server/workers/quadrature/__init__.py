"""Quadrature rules along a path, fixed and adaptive."""

from ligserve.server.workers.quadrature.adaptive import MAX_KEPT_BYTES, AdaptiveRule
from ligserve.server.workers.quadrature.copies import CombinedCopies
from ligserve.server.workers.quadrature.fixed import FixedRule, gauss_legendre, midpoint
from ligserve.server.workers.quadrature.forecast import PointsForecast
from ligserve.server.workers.quadrature.lockstep import Coupling, LockStep, LockStepRule, whole_estimate
from ligserve.server.workers.quadrature.results import BAR
from ligserve.server.workers.quadrature.rule import EndValue, NodeValue, PathEstimate, QuadratureRule
from ligserve.server.workers.quadrature.separate import SeparateRule

__all__ = [
    "BAR",
    "MAX_KEPT_BYTES",
    "AdaptiveRule",
    "CombinedCopies",
    "Coupling",
    "EndValue",
    "FixedRule",
    "LockStep",
    "LockStepRule",
    "NodeValue",
    "PathEstimate",
    "PointsForecast",
    "QuadratureRule",
    "SeparateRule",
    "gauss_legendre",
    "midpoint",
    "whole_estimate",
]
