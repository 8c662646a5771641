"""A worker process that has loaded its models, seen through its socket."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncGenerator, Sequence

from google.protobuf.message import DecodeError

from ligserve.internal.v1 import frames_pb2
from ligserve.server.errors import RemoteError
from ligserve.server.framing import FramingError, pack_frame, read_frame
from ligserve.server.pool.handle import WorkerLostError
from ligserve.server.pool.process import EXIT_PATIENCE_S, WorkerProcess
from ligserve.v1 import model_service_pb2 as model_pb

# None: the worker is gone.
_Inbox = asyncio.Queue[frames_pb2.JobEvent | frames_pb2.JobEnded | None]


class LocalWorker:
    """One end of the socket pair; frames of all jobs go through it, told apart by the jobs' numbers."""

    def __init__(
        self,
        worker_id: str,
        ready: frames_pb2.WorkerReady,
        process: WorkerProcess,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._id = worker_id
        self._ready = ready
        self._process = process
        self._writer = writer
        self._numbers = itertools.count(1)
        self._inboxes: dict[int, _Inbox] = {}
        self._alive = True
        self._reading = asyncio.create_task(self._read(reader), name=f"{worker_id} reader")

    @property
    def id(self) -> str:
        """Identifier, such as "worker-0"."""
        return self._id

    @property
    def device(self) -> str:
        """The device that the worker reported."""
        return self._ready.device

    @property
    def models(self) -> Sequence[model_pb.Model]:
        """The models that it holds."""
        return self._ready.models

    @property
    def alive(self) -> bool:
        """Whether the socket's other end is there."""
        return self._alive

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    async def run(self, order: frames_pb2.RunJob) -> AsyncGenerator[frames_pb2.JobEvent, None]:
        """What the worker says of a job; see WorkerHandle."""
        number = next(self._numbers)
        inbox: _Inbox = asyncio.Queue()
        self._admit(number, inbox)
        order.job_id = number
        self._writer.write(pack_frame(frames_pb2.FrontFrame(run=order)))
        try:
            while not isinstance(item := await inbox.get(), frames_pb2.JobEnded):
                if item is None:
                    raise WorkerLostError(self._id)
                yield item
            if item.HasField("failure"):
                raise RemoteError(item.failure)
        finally:
            await self._cancel(number, inbox)

    def _admit(self, number: int, inbox: _Inbox) -> None:
        if not self._alive:
            raise WorkerLostError(self._id)
        self._inboxes[number] = inbox

    async def _cancel(self, number: int, inbox: _Inbox) -> None:
        """Have a job stopped that has not ended; until the worker says so, its place is taken."""
        if number not in self._inboxes:
            return
        cancel = frames_pb2.CancelJob(job_id=number)
        self._writer.write(pack_frame(frames_pb2.FrontFrame(cancel=cancel)))
        while isinstance(await inbox.get(), frames_pb2.JobEvent):
            pass

    async def kill(self) -> None:
        """End the process now."""
        self._process.signal_kill()
        await self.close()

    async def wait_lost(self) -> None:
        """Wait for the end of the socket's stream, which a process that dies brings within a millisecond."""
        # Shielded: several may wait, and one that stops waiting must not stop the reader.
        await asyncio.shield(self._reading)

    async def close(self) -> str:
        """Close the socket, at which the process ends; tells its exit code."""
        self._writer.close()
        # A worker that does not read keeps what was written to it from being flushed, and so the socket open.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(EXIT_PATIENCE_S):
                await self.wait_lost()
        code = await self._process.wait_or_kill()
        self._writer.transport.abort()
        return f"exit code {code}"

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while (frame := await read_frame(reader, frames_pb2.WorkerFrame)) is not None:
                self._route(frame)
        except (FramingError, DecodeError, OSError):
            self._process.signal_kill()
        finally:
            self._alive = False
            self._writer.close()
            for inbox in self._inboxes.values():
                inbox.put_nowait(None)
            self._inboxes.clear()

    def _route(self, frame: frames_pb2.WorkerFrame) -> None:
        match frame.WhichOneof("frame"):
            case "event" if inbox := self._inboxes.get(frame.event.job_id):
                inbox.put_nowait(frame.event)
            case "ended" if inbox := self._inboxes.pop(frame.ended.job_id, None):
                inbox.put_nowait(frame.ended)
