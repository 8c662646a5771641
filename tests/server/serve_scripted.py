"""The server of `ligserve serve` over scripted workers; settings come as JSON in the first argument."""

import asyncio
import json
import sys
from pathlib import Path

from ligserve.server.app import serve
from ligserve.server.config import load_config
from ligserve.server.pool.local import LocalBackend

if __name__ == "__main__":
    config = load_config(json.loads(sys.argv[1]), environ={})
    worker = [sys.executable, str(Path(__file__).parent / "scripted_worker.py")]
    sys.exit(asyncio.run(serve(config, backend=LocalBackend(config, command=worker))))
