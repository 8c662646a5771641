"""The server's limit on what one request may cost."""

from ligserve.server.errors import FieldViolation, InvalidArgumentError
from ligserve.server.workers.costs.forecast import Forecast
from ligserve.server.workers.engine.path_cost import PathCost
from ligserve.server.workers.explainers.documents.long_input import STRIDE_FIELD

REASON = "COST_ABOVE_LIMIT"


def refuse_costly(forecast: Forecast, judged: PathCost, limit: int) -> None:
    """Let a request pass that is judged to cost no more than the limit, in token passes; 0 is no limit.

    Raises:
        InvalidArgumentError: it costs more; the message says what may be asked for instead.
    """
    if not limit or judged.token_passes <= limit:
        return
    field, cheaper = _cheaper(forecast)
    windows = f"{forecast.windows} windows, " if forecast.windows > 1 else ""
    text = (
        f"the request would cost about {judged.token_passes} token passes ({windows}{judged.points} points, "
        f"{judged.gradients} backward passes), but this server takes at most {limit}; ask for {cheaper}"
    )
    raise InvalidArgumentError(
        [FieldViolation(field, text)],
        reason=REASON,
        token_passes=str(judged.token_passes),
        max_token_passes=str(limit),
    )


def _cheaper(forecast: Forecast) -> tuple[str, str]:
    """The field that changes the cost most, and what to do about it."""
    fixed = forecast.tolerance is None
    ways = ["fewer steps" if fixed else "a looser tolerance"]
    field = "options.fixed_steps.n_steps" if fixed else "options.tolerance.relative"
    if forecast.overlaps:
        ways.insert(0, "a larger stride")
        field = STRIDE_FIELD
    if forecast.kind == "copies":
        ways.append("fewer noisy copies")
    if forecast.targets > 1:
        ways.append("fewer targets (labels)")
    if forecast.kind in ("paths", "windows"):
        ways.append("a shorter text")
    *others, last = ways
    return field, f"{', '.join(others)} or {last}" if others else last
