"""From the request's accuracy to a quadrature rule."""

from ligserve.server.workers.quadrature import (
    AdaptiveSimpson,
    FixedRule,
    QuadratureRule,
    gauss_legendre,
    midpoint,
)
from ligserve.v1 import explanation_pb2 as pb

DEFAULT_TOLERANCE = 0.01
DEFAULT_MAX_POINTS = 1024
DEFAULT_STEPS = 50


def quadrature_rule(options: pb.ExplainOptions, convention: "pb.Convention.ValueType") -> QuadratureRule:
    """The rule asked for; by default the library's 50 nodes in LIBRARY, a tolerance in FAITHFUL."""
    accuracy = options.WhichOneof("accuracy")
    if accuracy == "fixed_steps" or (accuracy is None and convention == pb.CONVENTION_LIBRARY):
        return _fixed(options.fixed_steps)
    tolerance = options.tolerance
    return AdaptiveSimpson(
        tolerance=tolerance.relative if tolerance.HasField("relative") else DEFAULT_TOLERANCE,
        max_points=tolerance.max_points if tolerance.HasField("max_points") else DEFAULT_MAX_POINTS,
    )


def _fixed(steps: pb.FixedSteps) -> FixedRule:
    n_steps = steps.n_steps if steps.HasField("n_steps") else DEFAULT_STEPS
    rule = midpoint if steps.rule == pb.QUADRATURE_RULE_MIDPOINT else gauss_legendre
    return FixedRule(*rule(n_steps))
