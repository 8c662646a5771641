"""A contender in a process of its own, so that its memory is its own."""

import importlib
import multiprocessing
import time
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self

import psutil

from benchmarks.contenders.setting import Setting
from benchmarks.workloads.questions import Accuracy, Answer, Question
from benchmarks.workloads.workload import BY_HAND, LIBRARY, LIGSERVE

# A module for each contender.
CONTENDERS = {
    LIBRARY: "benchmarks.contenders.library",
    BY_HAND: "benchmarks.contenders.by_hand",
    LIGSERVE: "benchmarks.contenders.served",
}


class Timed(NamedTuple):
    """An answer, and the seconds that it took."""

    seconds: float
    answer: Answer


class BenchmarkError(Exception):
    """A contender failed; the message is its traceback."""


class ContenderProcess:
    """A contender's process; leaving the context ends it.

    Args:
        contender: a name in CONTENDERS.
        setting: what it is told.
    """

    def __init__(self, contender: str, setting: Setting) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, CONTENDERS[contender], setting))
        self._process.start()
        theirs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()
        self._process.join()

    def explain(self, question: Question, accuracy: Accuracy) -> Timed:
        """Explain a question, timed in the contender's process.

        Raises:
            BenchmarkError: the contender failed.
        """
        return Timed(*self.ask("explain", question, accuracy))

    def ask(self, method: str, question: Question, accuracy: Accuracy) -> tuple[float, Any]:
        """Call a method of the contender's; the seconds that it took there, and what it returned.

        Raises:
            BenchmarkError: the contender failed.
        """
        self._connection.send((method, question, accuracy))
        reply = self._connection.recv()
        if isinstance(reply, str):
            raise BenchmarkError(reply)
        seconds, returned = reply
        return seconds, returned

    def forget_peak(self) -> None:
        """Count the peak from what is resident now on."""
        for each in self._processes():
            Path(f"/proc/{each.pid}/clear_refs").write_text("5")

    def peak_mib(self) -> float:
        """Peak resident memory in MiB, the processes that the contender started included."""
        return sum(_peak_kib(each.pid) for each in self._processes()) / 1024

    def _processes(self) -> list[psutil.Process]:
        root = psutil.Process(self._process.pid)
        return [root, *root.children(recursive=True)]


def _peak_kib(pid: int) -> int:
    # Not ru_maxrss: that one remembers the parent from before the exec.
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


class _Contender(Protocol):
    def explain(self, question: Question, accuracy: Accuracy) -> Answer: ...
    def close(self) -> None: ...


def _serve(connection: Connection, module: str, setting: Setting) -> None:
    try:
        # Imported here: each process holds its own contender's imports and no other's.
        runner: _Contender = importlib.import_module(module).Contender(setting)
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
            method, question, accuracy = connection.recv()
        except EOFError:
            return
        start = time.perf_counter()
        try:
            returned = getattr(runner, method)(question, accuracy)
            connection.send((time.perf_counter() - start, returned))
        except Exception:
            connection.send(traceback.format_exc())
