"""From the request's accuracy to a quadrature rule."""

from ligserve.server.errors import FieldViolation, InvalidArgumentError
from ligserve.server.workers.quadrature import (
    MAX_KEPT_BYTES,
    AdaptiveRule,
    FixedRule,
    QuadratureRule,
    SeparateRule,
    gauss_legendre,
    midpoint,
)
from ligserve.server.workers.quadrature.rule import Floats
from ligserve.v1 import explanation_pb2 as pb

DEFAULT_TOLERANCE = 0.01
DEFAULT_MAX_POINTS = 1024
DEFAULT_STEPS = 50
# Of a long text as many are open at least; more of them only where they are short.
WINDOWS_AT_ONCE = 2
# So many targets of one path have points of their own: of fewer, most points would be for all of them, and
# smaller batches take what is left out (docs/quadrature.md).
MANY_TARGETS = 16


def quadrature_rule(
    options: pb.ExplainOptions,
    convention: "pb.Convention.ValueType",
    points_that_fit: int | None = None,
    *,
    paths: int = 1,
    separate: int = 1,
) -> QuadratureRule:
    """The rule asked for; by default the library's 50 nodes in LIBRARY, a tolerance in FAITHFUL.

    Args:
        options: how exact.
        convention: whose habits are followed.
        points_that_fit: most points that an adaptive rule can keep in memory; None: as many as are asked for.
        paths: how many of the request's paths are integrated at a time, each by a rule of its own.
        separate: how many targets cost a backward pass each at a point; 1 where they share it.
    """
    tolerance = asked_tolerance(options, convention)
    if tolerance is None:
        return _fixed(options.fixed_steps)
    max_points = _max_points(options)
    max_points = min(max_points, points_that_fit or max_points)
    return _adaptive(separate)(tolerance, max_points, most_bytes=MAX_KEPT_BYTES // paths)


def image_rule(
    options: pb.ExplainOptions,
    convention: "pb.Convention.ValueType",
    default_steps: int,
    points_that_fit: int,
) -> QuadratureRule:
    """The rule for an image, which does not estimate each score's error, only their sum.

    Args:
        options: how exact.
        convention: whose habits are followed.
        default_steps: nodes of a fixed rule where none are asked for.
        points_that_fit: most points that an adaptive rule can keep in memory.
    """
    tolerance = asked_tolerance(options, convention)
    if tolerance is None:
        return _fixed(options.fixed_steps, default_steps)
    return AdaptiveRule(tolerance, min(_max_points(options), points_that_fit), score_errors=False)


def window_rule(
    options: pb.ExplainOptions,
    convention: "pb.Convention.ValueType",
    change: Floats,
    *,
    shared: bool = False,
) -> QuadratureRule:
    """The rule for a window of a document, so that the windows' errors together stay within the tolerance.

    With S_w the size of window w's scores and w's share s_w in the document, a window's error may be
    t (S_w + change) / 2 and the document's thus t (sum of s_w S_w + change) / 2 <= t x sum of s_w S_w,
    since the shares add up to 1 and no change exceeds the size of the scores that add up to it. So a window
    with nothing to explain costs little. Those sizes are of computed scores, off by at most the errors
    themselves; a tolerance of t / (1 + t) leaves room for that.

    Args:
        options: how exact.
        convention: whose habits are followed.
        change: (K,), the sum over the windows of |f(input) - f(baseline)| x share, for each target.
        shared: whether the targets share a point's backward passes.
    """
    tolerance = asked_tolerance(options, convention)
    if tolerance is None:
        return _fixed(options.fixed_steps)
    tolerance /= 1 + tolerance
    most_bytes = MAX_KEPT_BYTES // WINDOWS_AT_ONCE
    rule = _adaptive(1 if shared else len(change))
    return rule(tolerance, _max_points(options), change, most_bytes=most_bytes)


def _adaptive(separate: int) -> type[AdaptiveRule] | type[SeparateRule]:
    """Which rule does for targets of which so many cost a backward pass each at a point."""
    return SeparateRule if separate >= MANY_TARGETS else AdaptiveRule


def asked_tolerance(options: pb.ExplainOptions, convention: "pb.Convention.ValueType") -> float | None:
    """The tolerance asked for or meant by default; None for a fixed number of steps."""
    accuracy = options.WhichOneof("accuracy")
    if accuracy == "fixed_steps" or (accuracy is None and convention == pb.CONVENTION_LIBRARY):
        return None
    return options.tolerance.relative if options.tolerance.HasField("relative") else DEFAULT_TOLERANCE


def refuse_too_many_scores(rule: QuadratureRule, targets: int, tokens: int) -> None:
    """Refuse what an adaptive rule cannot keep even the first points of.

    Raises:
        InvalidArgumentError: it cannot.
    """
    if isinstance(rule, AdaptiveRule | SeparateRule) and not rule.first_round_fits(targets, tokens):
        text = (
            f"does not do for {targets} targets of {tokens} tokens each: the first points alone would take "
            "more memory than a request may use. Ask for fixed_steps, which keep only sums, for fewer "
            "targets or for a shorter text"
        )
        raise InvalidArgumentError([FieldViolation("options.tolerance", text)], reason="TOO_MANY_SCORES")


def _max_points(options: pb.ExplainOptions) -> int:
    return options.tolerance.max_points if options.tolerance.HasField("max_points") else DEFAULT_MAX_POINTS


def _fixed(steps: pb.FixedSteps, default_steps: int = DEFAULT_STEPS) -> FixedRule:
    n_steps = steps.n_steps if steps.HasField("n_steps") else default_steps
    rule = midpoint if steps.rule == pb.QUADRATURE_RULE_MIDPOINT else gauss_legendre
    return FixedRule(*rule(n_steps))
