"""Quadrature rules along a path, fixed and adaptive."""

from ligserve.server.workers.quadrature.fixed import FixedRule, gauss_legendre, midpoint
from ligserve.server.workers.quadrature.rule import NodeValue, PathEstimate, QuadratureRule
from ligserve.server.workers.quadrature.simpson import AdaptiveSimpson

__all__ = [
    "AdaptiveSimpson",
    "FixedRule",
    "NodeValue",
    "PathEstimate",
    "QuadratureRule",
    "gauss_legendre",
    "midpoint",
]
