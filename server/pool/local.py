"""Workers as processes of this machine, each at the other end of a socket pair."""

import asyncio
import contextlib
import socket
import sys
from collections.abc import Sequence

from google.protobuf.message import DecodeError

from ligserve.internal.v1 import frames_pb2
from ligserve.server.config import ServerConfig
from ligserve.server.framing import FramingError, pack_frame, read_frame
from ligserve.server.pool.handle import WorkerStartError
from ligserve.server.pool.local_worker import LocalWorker
from ligserve.server.pool.process import WorkerProcess
from ligserve.v1 import explanation_pb2 as pb

# -P: the folder that the server was started in is no place to import from.
WORKER_COMMAND = (sys.executable, "-P", "-m", "ligserve.server.workers")


class LocalBackend:
    """Spawns worker processes."""

    def __init__(self, config: ServerConfig, *, command: Sequence[str] = WORKER_COMMAND) -> None:
        """Keep what every worker is told.

        Args:
            config: models, threads and logging of the workers.
            command: the worker program; "--fd N" is appended.
        """
        self._config = config
        self._command = tuple(command)

    async def start(self) -> None:
        """Nothing to do: processes need no preparation."""

    async def close(self) -> None:
        """Nothing to give back."""

    async def spawn(self, worker_id: str, device: str) -> LocalWorker:
        """Start a process and wait until its models are loaded.

        Raises:
            WorkerStartError: it cannot serve, or died before it could.
        """
        ours, theirs = socket.socketpair()
        async with contextlib.AsyncExitStack() as on_error:
            on_error.callback(ours.close)
            with theirs:
                process = await WorkerProcess.start([*self._command, "--fd", str(theirs.fileno())], theirs)
            on_error.push_async_callback(process.destroy)
            reader, writer = await asyncio.open_unix_connection(sock=ours)
            on_error.callback(writer.close)
            writer.write(pack_frame(frames_pb2.FrontFrame(start=self._start_message(worker_id, device))))
            ready = await _first_frame(worker_id, reader, process)
            on_error.pop_all()
        return LocalWorker(worker_id, ready, process, reader, writer)

    def _start_message(self, worker_id: str, device: str) -> frames_pb2.StartWorker:
        config = self._config
        start = frames_pb2.StartWorker(
            worker_id=worker_id,
            device=device,
            threads=config.threads,
            token_budget=config.token_budget,
            kept_bytes=config.kept_points_mib << 20,
            json_logs=config.json_logs,
            log_level=config.log_level,
        )
        for model in config.models:
            start.models.add(
                name=model.name,
                source=model.source,
                revision=model.revision,
                allow_pickle=model.allow_pickle,
                trust_remote_code=model.trust_remote_code,
                num_labels=model.num_labels,
                max_token_passes=model.max_token_passes or config.max_token_passes,
                precisions=[pb.Precision.Value(f"PRECISION_{name.upper()}") for name in model.precisions],
            )
        return start


async def _first_frame(
    worker_id: str, reader: asyncio.StreamReader, process: WorkerProcess
) -> frames_pb2.WorkerReady:
    try:
        frame = await read_frame(reader, frames_pb2.WorkerFrame)
    except (FramingError, DecodeError) as error:
        raise WorkerStartError(f"{worker_id} does not speak our protocol: {error}") from error
    if frame is None:
        exit_code = await process.wait_or_kill()
        raise WorkerStartError(f"{worker_id} ended while it started (exit code {exit_code})")
    if frame.WhichOneof("frame") != "ready":
        raise WorkerStartError(frame.failed.message or f"{worker_id} could not start")
    return frame.ready
