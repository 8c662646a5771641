"""A real server with real workers, as an operator starts it."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

READY = "ligserve ready on "
START_SECONDS = 240
STOP_SECONDS = 60


@dataclass(frozen=True)
class LiveServer:
    """A running `ligserve serve`."""

    address: str
    process: subprocess.Popen[str]
    log: Path

    def workers(self) -> list[psutil.Process]:
        """Its worker processes, oldest first."""
        children = psutil.Process(self.process.pid).children()
        found = [child for child in children if "ligserve.server.workers" in " ".join(child.cmdline())]
        return sorted(found, key=lambda child: child.create_time())


@contextlib.contextmanager
def live_server(models: Mapping[str, Path], log: Path, *flags: str) -> Iterator[LiveServer]:
    """Start a server on a free port; it must drain and end with code 0 on SIGTERM."""
    command = [sys.executable, "-m", "ligserve.client", "serve", "--listen", "127.0.0.1:0", *flags]
    for name, directory in models.items():
        command += ["--model", f"{name}={directory}"]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    with (
        log.open("w") as stderr,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=stderr, text=True, env=environment
        ) as process,
    ):
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith(READY), log.read_text()
            yield LiveServer(line.removeprefix(READY).strip(), process, log)
            process.send_signal(signal.SIGTERM)
            assert process.wait(STOP_SECONDS) == 0, log.read_text()
        finally:
            process.kill()
