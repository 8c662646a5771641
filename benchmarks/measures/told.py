"""Progress, on standard error."""

import sys
import time

_STARTED = time.monotonic()


def tell(what: str) -> None:
    """Say what is being done, and how long the run has taken so far."""
    minutes, seconds = divmod(int(time.monotonic() - _STARTED), 60)
    print(f"[{minutes:2d}:{seconds:02d}] {what}", file=sys.stderr, flush=True)
