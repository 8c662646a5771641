"""A cost estimate in words."""

from ligserve.client.types.estimate import CostEstimate, ExpectedCost


def estimate_lines(estimate: CostEstimate) -> tuple[str, ...]:
    """What a request would cost, line by line."""
    expected, most = estimate.expected, estimate.maximum
    targets = f"at most {estimate.targets}" if estimate.targets_may_be_fewer else str(estimate.targets)
    lines = (
        f"windows         {estimate.windows}",
        f"targets         {targets}",
        f"points          {_range(expected.points, most.points)}",
        f"backward passes {_range(expected.gradients, most.gradients)}",
        f"tokens          {_range(expected.tokens, most.tokens)}",
        f"token passes    {_range(expected.token_passes, most.token_passes)}",
        f"seconds         {_time(expected)}",
    )
    if not estimate.above_limit:
        return lines
    refused = (
        f"the server would refuse it: {estimate.judged_token_passes} token passes are above its limit of "
        f"{estimate.max_token_passes}"
    )
    return (*lines, refused)


def _range(expected: int, most: int) -> str:
    return str(expected) if expected == most else f"about {expected}, at most {most}"


def _time(cost: ExpectedCost) -> str:
    if cost.compute_seconds is None:
        return "not known: the model has not been at work yet"
    compute = f"about {_rounded(cost.compute_seconds)}"
    if cost.queue_seconds is None:
        return f"{compute}, and an unknown time in the queue"
    if not cost.queue_seconds:
        return compute
    return f"{compute}, and {_rounded(cost.queue_seconds)} while others have their turns"


def _rounded(seconds: float) -> str:
    return f"{seconds:.2g}" if seconds < 10 else f"{seconds:.0f}"
