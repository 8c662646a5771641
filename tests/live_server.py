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

from tests.server_log import ServerLog

READY = "ligserve ready on "
STOP_SECONDS = 60
COMMAND = (sys.executable, "-m", "ligserve.client")


@dataclass(frozen=True)
class ServerProcess:
    """A `ligserve serve` that may still be loading its models."""

    process: subprocess.Popen[str]
    lines: ServerLog

    def workers(self) -> list[psutil.Process]:
        """Its worker processes, oldest first."""
        children = psutil.Process(self.process.pid).children()
        found = [child for child in children if "ligserve.server.workers" in " ".join(child.cmdline())]
        return sorted(found, key=lambda child: child.create_time())

    def ready(self) -> "LiveServer":
        """Wait until it can answer."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith(READY), self.lines.text()
        return LiveServer(self.process, self.lines, line.removeprefix(READY).strip())


@dataclass(frozen=True)
class LiveServer(ServerProcess):
    """A `ligserve serve` that answers."""

    address: str


@contextlib.contextmanager
def starting_server(models: Mapping[str, Path], log: Path, *flags: str) -> Iterator[ServerProcess]:
    """Start a server on a free port, in a process group of its own as a shell does; kill it at the end."""
    command = [*COMMAND, "serve", "--listen", "127.0.0.1:0", "--json-logs", *flags]
    for name, directory in models.items():
        command += ["--model", f"{name}={directory}"]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        process_group=0,
    ) as process:
        assert process.stderr is not None
        lines = ServerLog(process.stderr, log)
        try:
            yield ServerProcess(process, lines)
        finally:
            process.kill()
            lines.close()


@contextlib.contextmanager
def live_server(models: Mapping[str, Path], log: Path, *flags: str) -> Iterator[LiveServer]:
    """A server that answers; it must drain and end with code 0 on SIGTERM, or have done so."""
    with starting_server(models, log, *flags) as starting:
        yield starting.ready()
        starting.process.send_signal(signal.SIGTERM)
        assert starting.process.wait(STOP_SECONDS) == 0, starting.lines.text()
