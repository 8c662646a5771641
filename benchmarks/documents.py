"""Explain a long document, short requests beside it: python -m benchmarks.documents --model DIRECTORY.

Told are the time to the header, to the first scores and in all; messages and bytes; the peak memory of
client, front and worker; how long short requests take alone and beside the document; and how long the library
takes for the same windows one by one, by a sample of them.
"""

import argparse
import pydoc_data.topics
import statistics
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import psutil
from transformers import AutoTokenizer

from benchmarks.contenders.process import ContenderProcess
from benchmarks.contenders.server import Server
from benchmarks.contenders.setting import Setting
from benchmarks.measures.told import tell
from benchmarks.models.silence import silence_loading
from benchmarks.texts import SHORT
from benchmarks.workloads.questions import Accuracy, Kind, Question
from ligserve.client import Client, SequenceClassification
from ligserve.v1 import explanation_service_pb2 as pb
from ligserve.v1.explanation_service_pb2_grpc import ExplanationServiceStub

MODEL = "document"
TIMEOUT_S = 7200
LIBRARY_STEPS = 50
SHORT_TOLERANCE = 0.05


@dataclass
class Seen:
    """What came of a document's stream; times in seconds since it was asked for.

    Attributes:
        times: of the header, of the first scores, and of the end.
        sizes: bytes of every message.
        windows: start and end of each window, in code points.
        summary: what was reached.
    """

    times: dict[str, float] = field(default_factory=dict)
    sizes: list[int] = field(default_factory=list)
    windows: dict[int, tuple[int, int]] = field(default_factory=dict)
    summary: pb.Summary = field(default_factory=pb.Summary)


def main() -> int:
    """Measure and print."""
    arguments = parse()
    silence_loading()
    text = cut(prose(arguments.text), arguments.tokens, arguments.model)
    alone: list[float] = []
    beside: list[float] = []
    settings = {"max_deadline_s": TIMEOUT_S}
    with Server({MODEL: arguments.model}, threads=arguments.threads, settings=settings) as server:
        with Client(server.address, timeout=TIMEOUT_S) as client:
            client.explain(MODEL, SequenceClassification(SHORT[0]), tolerance=SHORT_TOLERANCE)
            alone += (ask_short(client, number) for number in range(arguments.short))
        processes = [psutil.Process(), server.front(), *server.workers()]
        before = [process.memory_info().rss / 2**20 for process in processes]
        with peaks(processes) as highest, asking_beside(server.address, arguments.short, beside):
            seen = explain(server.address, text, arguments)
    show(seen, before, highest)
    show_short(alone, beside)
    if arguments.sample:
        show_library(text, seen, arguments)
    return 0


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.documents", description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="directory of a classifier of texts")
    parser.add_argument("--text", type=Path, help="a file; else the help texts of Python (PSF licence)")
    parser.add_argument("--tokens", type=int, default=5000, help="how much of it (5000)")
    parser.add_argument("--stride", type=int, default=0, help="tokens from window to window (the server's)")
    parser.add_argument("--tolerance", type=float, default=0.01, help="of the document (0.01)")
    parser.add_argument("--steps", type=int, help="so many steps in place of a tolerance")
    parser.add_argument("--short", type=int, default=20, help="short requests, alone and beside it (20)")
    parser.add_argument("--sample", type=int, default=3, help="windows that the library explains (3)")
    parser.add_argument("--threads", type=int, default=2, help="torch threads (2)")
    return parser.parse_args()


def prose(file: Path | None) -> str:
    """The text of the file, or Python's help texts."""
    if file is not None:
        return file.read_text(encoding="utf-8")
    return "\n\n".join(pydoc_data.topics.topics.values())


def cut(text: str, tokens: int, model: Path) -> str:
    """The first so many tokens of a text, repeated if it is shorter."""
    tokenizer = AutoTokenizer.from_pretrained(model)
    while True:
        ends = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
        if len(ends) >= tokens:
            return text[: ends[tokens - 1][1]]
        text += "\n\n" + text


def explain(address: str, text: str, arguments: argparse.Namespace) -> Seen:
    """Ask for the document's explanation and read it to its end."""
    request = pb.StreamExplainRequest()
    request.request.model = MODEL
    request.request.sequence_classification.text = text
    if arguments.steps:
        request.request.options.fixed_steps.n_steps = arguments.steps
    else:
        request.request.options.tolerance.relative = arguments.tolerance
    if arguments.stride:
        request.request.options.long_input.window.stride = arguments.stride
    seen, asked = Seen(), time.perf_counter()
    with grpc.insecure_channel(address) as channel:
        for event in ExplanationServiceStub(channel).StreamExplain(request, timeout=TIMEOUT_S):
            seen.sizes.append(event.ByteSize())
            take(seen, event, time.perf_counter() - asked)
    seen.times["end"] = time.perf_counter() - asked
    return seen


def take(seen: Seen, event: pb.StreamExplainResponse, now: float) -> None:
    """Note what an event tells."""
    kind = event.WhichOneof("event")
    header = event.header if kind == "header" else event.more_header
    for window in header.windows:
        tokens = window.tokens
        inside = [n for n, special in enumerate(tokens.special) if not special]
        if inside:
            # A window that has no room in a message goes on in the next one.
            start, _ = seen.windows.get(window.index, (tokens.starts[inside[0]], 0))
            seen.windows[window.index] = start, tokens.ends[inside[-1]]
    if kind in ("header", "estimate"):
        seen.times.setdefault(kind, now)
    if kind == "summary":
        seen.summary.CopyFrom(event.summary)


@contextmanager
def peaks(processes: Sequence[psutil.Process]) -> Iterator[list[float]]:
    """The most resident memory of each process until the block ends, in MiB."""
    highest, ended = [0.0] * len(processes), threading.Event()

    def watch() -> None:
        while not ended.wait(0.1):
            for number, process in enumerate(processes):
                highest[number] = max(highest[number], process.memory_info().rss / 2**20)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield highest
    finally:
        ended.set()
        watcher.join()


@contextmanager
def asking_beside(address: str, count: int, seconds: list[float]) -> Iterator[None]:
    """Ask short questions, one after the other, while the block runs."""

    def ask() -> None:
        with Client(address, timeout=TIMEOUT_S) as client:
            time.sleep(1.0)
            seconds.extend(ask_short(client, number) for number in range(count))

    asker = threading.Thread(target=ask)
    asker.start()
    yield
    asker.join()


def ask_short(client: Client, number: int) -> float:
    """The seconds that a short explanation takes."""
    asked = time.perf_counter()
    task = SequenceClassification(SHORT[number % len(SHORT)])
    client.explain(MODEL, task, tolerance=SHORT_TOLERANCE)
    return time.perf_counter() - asked


def show(seen: Seen, before: Sequence[float], highest: Sequence[float]) -> None:
    """Print what came."""
    target, cost = seen.summary.targets[0], seen.summary.cost
    change = target.f_input - target.f_baseline
    print(f"{len(seen.windows)} windows, {cost.points} points, {cost.tokens} tokens in rows")
    print(", ".join(f"{name} after {seconds:.1f} s" for name, seconds in seen.times.items()))
    print(f"{len(seen.sizes)} messages, {sum(seen.sizes)} bytes, the largest {max(seen.sizes)}")
    print(
        f"change {change:+.4f}, sum of scores {target.score_sum:+.4f}, bound {target.error_bound:.2g}, "
        f"{pb.StopReason.Name(target.stop_reason).removeprefix('STOP_REASON_').lower()}"
    )
    names = ("client", "front", "worker")
    grown = zip(names, before, highest, strict=True)
    print(", ".join(f"{name} {now:.0f} MiB (before: {then:.0f})" for name, then, now in grown))


def show_short(alone: Sequence[float], beside: Sequence[float]) -> None:
    """Print how long short requests took."""
    for name, seconds in (("alone", alone), ("beside the document", beside)):
        if len(seconds) > 1:
            p95 = statistics.quantiles(seconds, n=20, method="inclusive")[-1]
            print(f"short requests {name}: median {statistics.median(seconds):.3f} s, p95 {p95:.3f} s")


def show_library(text: str, seen: Seen, arguments: argparse.Namespace) -> None:
    """Print how long the library takes for the same windows."""
    step = max(1, len(seen.windows) // arguments.sample)
    sample = list(seen.windows.values())[::step][: arguments.sample]
    setting = Setting(Kind.TEXT, arguments.model, arguments.threads)
    with ContenderProcess("transformers-interpret", setting) as library:
        seconds = []
        for start, end in sample:
            tell(f"the library explains characters {start} to {end}")
            # It puts spaces around punctuation, and so more tokens into the text than fit.
            question = Question(Kind.TEXT, text[start : start + (end - start) * 3 // 4])
            seconds.append(library.explain(question, Accuracy(steps=LIBRARY_STEPS)).seconds)
    each = statistics.mean(seconds)
    every = each * len(seen.windows)
    print(
        f"the library, {LIBRARY_STEPS} steps: {each:.1f} s a window (three quarters of its text), so "
        f"{every:.0f} s for all; {every / seen.times['end']:.1f} times as long"
    )


if __name__ == "__main__":
    sys.exit(main())
