"""What a caller is told of the time that a request has, and has not."""

import time
from collections.abc import Iterator, Sequence

from ligserve.internal.v1.frames_pb2 import RunJob
from ligserve.server.errors import DeadlineExceededError
from ligserve.v1 import explanation_service_pb2 as pb

# What else it takes to tell that the time is up.
MARGIN_S = 0.05
# A step may take so many times what the longest before it took. An expected time that is so many times the
# time that is left is clearly above it.
SLACK = 1.25


class Countdown:
    """Whether a deadline comes before the end of the next step, by what steps have taken.

    Args:
        deadline: on time.monotonic's clock; None: never.
    """

    def __init__(self, deadline: float | None) -> None:
        self._deadline = deadline
        self._looked = time.monotonic()
        self._longest = 0.0

    @property
    def up(self) -> bool:
        """To be asked before each step."""
        now = time.monotonic()
        self._longest = max(self._longest, now - self._looked)
        self._looked = now
        return self._deadline is not None and now > self._deadline - MARGIN_S - SLACK * self._longest


def too_late(run: RunJob, when: str) -> DeadlineExceededError:
    """The deadline of a long text came; `when` says what was done by then."""
    return DeadlineExceededError(f"the deadline came {when}; {_remedy(run)}", reason="DEADLINE")


def too_little_time(run: RunJob, windows: int, expected_s: float, left_s: float) -> Iterator[pb.Warning]:
    """A warning where the windows of a text are expected to take clearly longer than there is time."""
    if expected_s > SLACK * left_s:
        message = (
            f"to explain the {windows} windows is expected to take about {expected_s:.0f} s, but "
            f"{left_s:.0f} s are left until the deadline; {_remedy(run)}"
        )
        yield pb.Warning(code="DEADLINE_TOO_SHORT", message=message)


def cut_by_server(run: RunJob, targets: Sequence[pb.TargetSummary]) -> Iterator[pb.Warning]:
    """A warning where the server's own limit cut the work, and not the caller's deadline."""
    cut = any(target.stop_reason == pb.STOP_REASON_DEADLINE for target in targets)
    if cut and run.HasField("time_limit"):
        message = f"the work was cut: {_limit(run)}"
        yield pb.Warning(code="SERVER_TIME_LIMIT", message=message)


def _remedy(run: RunJob) -> str:
    cheaper = "ask for a larger stride, a looser tolerance or a part of the text"
    return (
        f"{_limit(run)}: {cheaper}" if run.HasField("time_limit") else f"give a longer timeout, or {cheaper}"
    )


def _limit(run: RunJob) -> str:
    return f"this server gives a request at most {run.time_limit:g} s (max_deadline_s, --max-deadline)"
