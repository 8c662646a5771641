"""Several clients at a time on one server."""

import queue
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace

from benchmarks.contenders.process import ContenderProcess
from benchmarks.contenders.served import TIMEOUT_S, options, task
from benchmarks.contenders.server import Server
from benchmarks.measures.run import Run
from benchmarks.measures.speed import WARMING_TEXT
from benchmarks.measures.told import tell
from benchmarks.reports.table import quantile
from benchmarks.workloads.mix import SHORT_REQUESTS, mix
from benchmarks.workloads.questions import Accuracy, Kind, Question
from benchmarks.workloads.workload import LIBRARY, STANDARD, STEPS
from ligserve.client import Client

CLIENTS = 8


@dataclass(frozen=True, slots=True)
class Served:
    """Requests that clients sent together.

    Attributes:
        seconds: from the first request to the last answer.
        latencies: seconds of each request, by its question.
    """

    seconds: float
    latencies: Mapping[Question, float]

    def p95(self, questions: Sequence[Question]) -> float:
        """Seconds that nineteen in twenty of these questions took at most."""
        return quantile([self.latencies[question] for question in questions], 19, 20)


@dataclass(frozen=True, slots=True)
class LoadLine:
    """The mix, sent by several clients, against the library's answers one after the other.

    Attributes:
        asked: how exact ligserve was asked to be.
        speed: the library's seconds / ours, from the first request to the last answer.
        alone: median seconds of a short request while there is no other.
        beside: p95 of the short requests' seconds among the others, once all clients have begun.
        at_once: the same with those that clients begin with, all at the same instant.
    """

    asked: Accuracy
    speed: float
    alone: float
    beside: float
    at_once: float


@dataclass(frozen=True, slots=True)
class WorkersLine:
    """The mix on a server of some workers; threads are those of each.

    Attributes:
        speed: the seconds of one worker with all threads / these seconds.
        beside: p95 of the short requests' seconds among the others.
    """

    workers: int
    threads: int
    speed: float
    beside: float


def mixed_load(run: Run) -> list[LoadLine]:
    """W8: the library in turn, then eight clients with 50 steps, then with 1 %."""
    requests = mix()[: 2 * run.texts]
    library = _library_seconds(run, requests)
    lines = []
    with _server(run, workers=1, threads=run.threads) as server:
        send(server, SHORT_REQUESTS[:2], STANDARD, clients=1)
        for accuracy in (STEPS, STANDARD):
            tell(f"W8: {CLIENTS} clients, {accuracy}")
            shorts = [question for question in requests if question in SHORT_REQUESTS]
            alone = send(server, shorts, accuracy, clients=1)
            served = send(server, requests, accuracy, CLIENTS)
            median = statistics.median(alone.latencies.values())
            later = [question for question in shorts if question not in requests[:CLIENTS]]
            beside, at_once = served.p95(later or shorts), served.p95(shorts)
            lines.append(LoadLine(accuracy, library / served.seconds, median, beside, at_once))
    return lines


def workers_compared(run: Run) -> list[WorkersLine]:
    """W9: one worker with all threads, and as many workers with one thread each, in turn.

    Half of the mix, twice.
    """
    requests = mix()[: max(2, run.texts)]
    shorts = [question for question in requests if question in SHORT_REQUESTS]
    places = ((1, run.threads), (run.threads, 1))
    with ExitStack() as stack:
        servers = [
            stack.enter_context(_server(run, workers=workers, threads=threads)) for workers, threads in places
        ]
        for server in servers:
            send(server, shorts[:4], STANDARD, CLIENTS)
        found: list[list[Served]] = [[] for _ in places]
        for turn in range(2):
            tell(f"W9: turn {turn + 1} of 2")
            for server, served in zip(servers, found, strict=True):
                served.append(send(server, requests, STANDARD, CLIENTS))
    one = statistics.median(each.seconds for each in found[0])
    return [
        WorkersLine(
            workers,
            threads,
            one / statistics.median(each.seconds for each in served),
            statistics.median(each.p95(shorts) for each in served),
        )
        for (workers, threads), served in zip(places, found, strict=True)
    ]


def send(server: Server, questions: Sequence[Question], accuracy: Accuracy, clients: int) -> Served:
    """Have clients send questions, each its next one as soon as it has an answer."""
    waiting: queue.SimpleQueue[Question] = queue.SimpleQueue()
    for question in questions:
        waiting.put(question)
    latencies: dict[Question, float] = {}

    def work() -> None:
        with Client(server.address, timeout=TIMEOUT_S) as client:
            for question in iter(_next_of(waiting), None):
                asked = time.perf_counter()
                client.explain(question.kind.value, task(question), **options(accuracy))
                latencies[question] = time.perf_counter() - asked

    began = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        for done in [pool.submit(work) for _ in range(clients)]:
            done.result()
    return Served(time.perf_counter() - began, latencies)


def _next_of(waiting: "queue.SimpleQueue[Question]") -> Callable[[], Question | None]:
    def next_one() -> Question | None:
        try:
            return waiting.get_nowait()
        except queue.Empty:
            return None

    return next_one


def _server(run: Run, *, workers: int, threads: int) -> Server:
    models = {kind.value: run.setting(kind).model for kind in Kind}
    return Server(models, threads=threads, workers=workers)


def _library_seconds(run: Run, requests: Sequence[Question]) -> float:
    """The library's answers, one after the other, each explainer with its model in memory."""
    seconds = 0.0
    with ExitStack() as stack:
        processes = {
            kind: stack.enter_context(ContenderProcess(LIBRARY, run.setting(kind)))
            for kind in {question.kind for question in requests}
        }
        for kind, process in processes.items():
            first = next(question for question in requests if question.kind is kind)
            process.explain(replace(first, text=WARMING_TEXT), STEPS)
        for number, question in enumerate(requests, start=1):
            tell(f"W8: the library, request {number} of {len(requests)}, {question.kind.value}")
            seconds += processes[question.kind].explain(question, STEPS).seconds
    return seconds
