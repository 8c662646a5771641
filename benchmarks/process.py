"""A contender in a process of its own, so that its memory is its own."""

import importlib
import multiprocessing
import time
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Protocol, Self

import psutil

from benchmarks.workloads import Accuracy, Answer


class Timed(NamedTuple):
    """An answer, and the seconds that it took."""

    seconds: float
    answer: Answer


class BenchmarkError(Exception):
    """A contender failed; the message is its traceback."""


class ContenderProcess:
    """A contender's process; leaving the context ends it.

    Args:
        module: the contender's module.
        model: directory of the model.
        threads: torch threads.
    """

    def __init__(self, module: str, model: Path, threads: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, module, model, threads))
        self._process.start()
        theirs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()
        self._process.join()

    def explain(self, text: str, accuracy: Accuracy) -> Timed:
        """Explain a text, timed in the contender's process.

        Raises:
            BenchmarkError: the contender failed.
        """
        self._connection.send((text, accuracy))
        reply = self._connection.recv()
        if isinstance(reply, str):
            raise BenchmarkError(reply)
        return Timed(*reply)

    def peak_mib(self) -> float:
        """Peak resident memory so far in MiB, the processes that the contender started included."""
        root = psutil.Process(self._process.pid)
        return sum(_peak_kib(each.pid) for each in (root, *root.children(recursive=True))) / 1024


def _peak_kib(pid: int) -> int:
    # Not ru_maxrss: that one remembers the parent from before the exec.
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


class _Contender(Protocol):
    def explain(self, text: str, accuracy: Accuracy) -> Answer: ...
    def close(self) -> None: ...


def _serve(connection: Connection, module: str, model: Path, threads: int) -> None:
    try:
        # Imported here: each process holds its own contender's imports and no other's.
        runner: _Contender = importlib.import_module(module).Contender(model, threads)
    except Exception:
        connection.recv()
        connection.send(traceback.format_exc())
        return
    try:
        _answer_all(connection, runner)
    finally:
        runner.close()


def _answer_all(connection: Connection, runner: _Contender) -> None:
    while True:
        try:
            text, accuracy = connection.recv()
        except EOFError:
            return
        start = time.perf_counter()
        try:
            answer = runner.explain(text, accuracy)
            connection.send((time.perf_counter() - start, answer))
        except Exception:
            connection.send(traceback.format_exc())
