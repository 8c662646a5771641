"""The client's command line, as a process of its own."""

import asyncio
import os
import sys
from dataclasses import dataclass

from tests.client.scripted_server import Script

COMMAND = (sys.executable, "-m", "ligserve.client")


@dataclass(frozen=True)
class Finished:
    code: int | None
    out: str
    err: str


async def start(
    *arguments: str, script: Script | None = None, **options: object
) -> asyncio.subprocess.Process:
    environment = {**os.environ, "LIGSERVE_SERVER": script.address if script else "127.0.0.1:1"}
    pipes = {"stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.PIPE, **options}
    return await asyncio.create_subprocess_exec(*COMMAND, *arguments, env=environment, **pipes)  # type: ignore[arg-type]


async def run(*arguments: str, script: Script | None = None, stdin: bytes = b"") -> Finished:
    process = await start(*arguments, script=script, stdin=asyncio.subprocess.PIPE)
    out, err = await process.communicate(stdin)
    return Finished(process.returncode, out.decode(), err.decode())
