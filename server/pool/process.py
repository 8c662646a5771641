"""One child process: started so that only the front ends it."""

import asyncio
import contextlib
import socket
from collections.abc import Sequence

# A worker whose socket is closed ends by itself; this long until it is killed.
EXIT_PATIENCE_S = 2.0
_STDERR = 2


class WorkerProcess:
    """A worker's process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, command: Sequence[str], inherited: socket.socket) -> "WorkerProcess":
        """Start a process that inherits one socket.

        It gets a session of its own, so that Ctrl-C in a terminal reaches the front alone, and its standard
        output is our standard error, because ours belongs to the line that says that the server is ready.
        """
        process = await asyncio.create_subprocess_exec(
            *command,
            pass_fds=(inherited.fileno(),),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=_STDERR,
            start_new_session=True,
        )
        return cls(process)

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    def signal_kill(self) -> None:
        """Send SIGKILL, unless the process has ended."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def destroy(self) -> None:
        """Kill the process and wait for its end."""
        self.signal_kill()
        await self._process.wait()

    async def wait_or_kill(self) -> int:
        """Wait for the end, and force it when patience ends; the exit code, minus the signal's number."""
        try:
            async with asyncio.timeout(EXIT_PATIENCE_S):
                return await self._process.wait()
        except TimeoutError:
            self.signal_kill()
            return await self._process.wait()
