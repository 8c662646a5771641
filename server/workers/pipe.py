"""The worker's end of the socket: blocking reads here, writes from a thread of their own."""

import contextlib
import queue
import socket
import threading
from collections.abc import Iterator

from ligserve.internal.v1.frames_pb2 import FrontFrame, WorkerFrame
from ligserve.server.framing import LENGTH_BYTES, frame_length, pack_frame


class Pipe:
    """Frames from and to the front.

    Writes never block the caller: the engine must not wait for the front.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._outbox: queue.SimpleQueue[WorkerFrame | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write, name="pipe-writer", daemon=True)
        self._writer.start()

    def send(self, frame: WorkerFrame) -> None:
        """Queue a frame. From any thread."""
        self._outbox.put(frame)

    def frames(self) -> Iterator[FrontFrame]:
        """Frames from the front, until it closes its end."""
        while True:
            header = self._read(LENGTH_BYTES)
            payload = self._read(frame_length(header)) if header is not None else None
            if payload is None:
                return
            yield FrontFrame.FromString(payload)

    def flush(self) -> None:
        """Wait until everything queued is written; nothing can be sent afterwards."""
        self._outbox.put(None)
        self._writer.join()

    def _read(self, size: int) -> bytes | None:
        received = bytearray()
        while len(received) < size:
            try:
                part = self._connection.recv(size - len(received))
            except ConnectionResetError:
                return None
            if not part:
                return None
            received += part
        return bytes(received)

    def _write(self) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while (frame := self._outbox.get()) is not None:
                self._connection.sendall(pack_frame(frame))
