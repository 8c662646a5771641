"""How exact an explanation is, in the same words on a terminal and on a page."""

import math
from typing import TYPE_CHECKING

from ligserve.client.rendering.captions import caption

if TYPE_CHECKING:
    from ligserve.client.types.explanation import Explanation
    from ligserve.client.types.targets import TargetExplanation


def sum_figures(target: "TargetExplanation") -> str:
    """What the scores add up to, beside what they ought to."""
    change = target.f_input - target.f_baseline
    return (
        f"scores add up to {target.score_sum:+.4f}; the output changes by {change:+.4f} "
        f"({target.f_baseline:.4f} to {target.f_input:.4f})"
    )


def error_figures(target: "TargetExplanation") -> str:
    """How far off the sum is, and at most can be."""
    if math.isnan(target.error_bound):
        return "squares and variances do not add up, so that no error is known"
    of_the_sum = f"off by {target.convergence_delta:+.1e}, at most {target.error_bound:.1e}"
    if target.score_error_sum is None:
        return of_the_sum
    return f"{of_the_sum}; error bars add up to {target.score_error_sum:.1e}"


def work_figures(target: "TargetExplanation") -> str:
    """What was spent, and why no more."""
    left = f"; {target.unexplained:+.4f} of the change left without scores" if target.unexplained else ""
    return f"{target.points} points, stopped by {target.stop_reason}{left}"


def reused_figure(explanation: "Explanation") -> str:
    """How much of it was known from an earlier request."""
    reused = explanation.cost.reused_points
    return f" ({reused} known from before)" if reused else ""


def worst_figures(explanation: "Explanation") -> str:
    """How far off all targets are at most, where there are too many for a line each."""
    if not explanation.targets:
        return "nothing was explained"
    off = max(abs(target.convergence_delta) for target in explanation.targets)
    bound = max(target.error_bound for target in explanation.targets)
    reasons = ", ".join(sorted({target.stop_reason for target in explanation.targets}))
    return (
        f"{len(explanation.targets)} targets; the worst is off by {off:.1e}, at most {bound:.1e}; "
        f"{explanation.cost.points} points, stopped by {reasons}{reused_figure(explanation)}"
    )


def figure_lines(explanation: "Explanation") -> tuple[str, ...]:
    """One line for each target with everything about its exactness, not escaped."""
    return tuple(
        f"{caption(explanation, position)}: {sum_figures(target)}; {error_figures(target)}; "
        f"{explanation.convention} convention; {work_figures(target)}{reused_figure(explanation)}"
        for position, target in enumerate(explanation.targets)
    )


def warning_lines(explanation: "Explanation") -> tuple[str, ...]:
    """One line for each of the server's warnings, not escaped."""
    return tuple(f"warning: {warning.message}" for warning in explanation.warnings)
