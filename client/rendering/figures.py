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
    if not explanation.finished:
        done = sum(any(target.scores) for target in explanation.targets)
        return f"{done} of {len(explanation.targets)} targets explained; {explanation.cost.points} points"
    off = max(abs(target.convergence_delta) for target in explanation.targets)
    bound = max(target.error_bound for target in explanation.targets)
    reasons = ", ".join(sorted({target.stop_reason for target in explanation.targets}))
    return (
        f"{len(explanation.targets)} targets; the worst is off by {off:.1e}, at most {bound:.1e}; "
        f"{explanation.cost.points} points, stopped by {reasons}{reused_figure(explanation)}"
    )


def target_figures(explanation: "Explanation", target: "TargetExplanation") -> tuple[str, str, str]:
    """What a target's scores add up to; how exact that is, or what is left; what was spent on it."""
    if explanation.finished:
        return sum_figures(target), error_figures(target), work_figures(target)
    so_far = f"scores add up to {target.score_sum:+.4f} so far"
    return so_far, left_figure(target), f"{target.points} points"


def left_figure(target: "TargetExplanation") -> str:
    """How much of an unfinished explanation is still to come."""
    if math.isnan(target.unexplained):
        return "what is left unexplained is not known"
    change = target.score_sum - target.convergence_delta
    of_what = "" if math.isnan(change) else f" of the output's change of {change:+.4f}"
    return f"{target.unexplained:+.4f}{of_what} left unexplained"


def unfinished_line(explanation: "Explanation") -> str:
    """How much of an unfinished explanation there is."""
    if explanation.windows:
        about = [window for window in explanation.windows if window.targets]
        done = sum(all(window.scores) for window in about)
        return f"partial: {done} of {len(about)} windows explained"
    done = sum(not math.isnan(target.unexplained) for target in explanation.targets)
    return f"partial: {done} of {len(explanation.targets)} targets explained"


def figure_lines(explanation: "Explanation") -> tuple[str, ...]:
    """One line for each target with everything about its exactness, not escaped."""
    return tuple(_figure_line(explanation, position) for position in range(len(explanation.targets)))


def warning_lines(explanation: "Explanation") -> tuple[str, ...]:
    """One line for each of the server's warnings, and one if it is unfinished; not escaped."""
    unfinished = () if explanation.finished else (unfinished_line(explanation),)
    return (*unfinished, *(f"warning: {warning.message}" for warning in explanation.warnings))


def _figure_line(explanation: "Explanation", position: int) -> str:
    total, exactness, work = target_figures(explanation, explanation.targets[position])
    return (
        f"{caption(explanation, position)}: {total}; {exactness}; "
        f"{explanation.convention} convention; {work}{reused_figure(explanation)}"
    )
