"""A `ligserve serve` as an operator starts it."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import psutil

READY = "ligserve ready on "
WORKER = "ligserve.server.workers"
STOP_SECONDS = 60


class ServerError(Exception):
    """The server did not start, or did not end as it should; its log tells more."""


class Server:
    """A server's process on a free port; leaving the context ends it.

    Unless settings say otherwise it keeps no points of earlier requests: the same questions are asked again
    and again, and are to be answered anew each time.

    Args:
        models: directories by name.
        threads: torch threads of each worker.
        workers: worker processes.
        device: their device.
        settings: others, by their names in the configuration.
        log: where the log goes, as JSON lines; None: to our standard error.

    Attributes:
        address: where it listens.

    Raises:
        ServerError: it did not start.
    """

    def __init__(
        self,
        models: Mapping[str, Path],
        *,
        threads: int,
        workers: int = 1,
        device: str = "cpu",
        settings: Mapping[str, object] | None = None,
        log: IO[str] | None = None,
    ) -> None:
        command = [str(Path(sys.executable).with_name("ligserve")), "serve", "--listen", "127.0.0.1:0"]
        command += ["--workers", str(workers), "--threads", str(threads), "--device", device]
        for name, directory in models.items():
            command += ["--model", f"{name}={directory}"]
        if log is not None:
            command.append("--json-logs")
        variables = _as_variables({"log_level": "warning", "kept_points_mib": 0, **(settings or {})})
        self._process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, **variables},
        )
        assert self._process.stdout is not None
        ready = self._process.stdout.readline()
        if not ready.startswith(READY):
            raise ServerError("the server did not start")
        self.address = ready.removeprefix(READY).strip()

    def front(self) -> psutil.Process:
        """The process that speaks gRPC."""
        return psutil.Process(self._process.pid)

    def workers(self) -> list[psutil.Process]:
        """The worker processes, oldest first."""
        children = self.front().children()
        found = [child for child in children if WORKER in " ".join(child.cmdline())]
        return sorted(found, key=lambda child: child.create_time())

    def close(self) -> None:
        """End it.

        Raises:
            ServerError: it did not end well.
        """
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(timeout=STOP_SECONDS)
        if self._process.stdout is not None:
            self._process.stdout.close()
        if code != 0:
            raise ServerError(f"the server ended with code {code}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _as_variables(settings: Mapping[str, object]) -> dict[str, str]:
    return {f"LIGSERVE_{name.upper()}": str(value) for name, value in settings.items()}
