"""`python -m ligserve.server.workers --fd N`: a worker process, started by the front."""

import argparse
import sys

from ligserve.server.workers.process import serve_front

parser = argparse.ArgumentParser(description="A worker process of ligserve; the front starts it.")
parser.add_argument("--fd", type=int, required=True, help="file descriptor of the socket to the front")
sys.exit(serve_front(parser.parse_args().fd))
