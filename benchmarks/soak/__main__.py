"""Wear a server out: python -m benchmarks.soak --requests 10000 --cancels 10000.

Small models with random weights answer mixed requests, some of them wrong, from a few clients; then a new
server is asked for as many answers that are cancelled at random moments. Told are the memory of the front and
of the worker on the way, how the calls ended, and what the worker computed. The exit code is 1 if a worker
died, memory grew, or a point was computed for a call that was cancelled more than one batch before.
"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from benchmarks.models.silence import silence_loading
from benchmarks.soak.cancels import soak_cancels
from benchmarks.soak.models import write_models
from benchmarks.soak.requests import soak_requests


def main() -> int:
    """Run both; 0 if all is well."""
    arguments = parse()
    silence_loading()
    with tempfile.TemporaryDirectory() as scratch:
        models, log = write_models(Path(scratch)), Path(scratch) / "server.log"
        clients, well = arguments.clients, True
        if arguments.requests:
            asking = asyncio.run(soak_requests(models, log, arguments.requests, clients))
            print(asking)
            well &= asking.well
        if arguments.cancels:
            cancelled = asyncio.run(soak_cancels(models, log, arguments.cancels, clients))
            print(cancelled)
            well &= cancelled.well
    return 0 if well else 1


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000, help="mixed requests (10000)")
    parser.add_argument("--cancels", type=int, default=10_000, help="calls that are cancelled (10000)")
    parser.add_argument("--clients", type=int, default=8, help="calls at a time (8)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
