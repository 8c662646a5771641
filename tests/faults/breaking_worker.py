"""A real worker whose scheduler is out of memory once a text of many tokens is to have a turn."""

import argparse
import sys
from typing import Any

from ligserve.server.workers.engine.scheduler import Scheduler, Slice
from ligserve.server.workers.process import serve_front

MANY_TOKENS = 50
next_batch = Scheduler.next_batch


def breaking(scheduler: Scheduler, **asked: Any) -> list[Slice]:
    if any(path.spec.tokens > MANY_TOKENS for path in scheduler):
        raise MemoryError
    return next_batch(scheduler, **asked)


if __name__ == "__main__":
    Scheduler.next_batch = breaking  # type: ignore[method-assign, assignment]
    parser = argparse.ArgumentParser()
    parser.add_argument("--fd", type=int, required=True)
    sys.exit(serve_front(parser.parse_args().fd))
