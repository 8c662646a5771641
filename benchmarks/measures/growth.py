"""How cost grows: with tokens, with targets, with clients."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from transformers import AutoTokenizer

from benchmarks.contenders.process import ContenderProcess
from benchmarks.contenders.server import Server
from benchmarks.measures.load import send
from benchmarks.measures.run import Run, contenders
from benchmarks.measures.speed import WARMING_TEXT, rotated
from benchmarks.measures.told import tell
from benchmarks.texts import LONG, MIDDLE
from benchmarks.workloads.mix import SHORT_REQUESTS
from benchmarks.workloads.questions import Kind, Question
from benchmarks.workloads.workload import LIBRARY, LIGSERVE, STANDARD, STEPS, Entrant

TOKENS = (16, 32, 64, 128, 256, 512)
TARGETS = (1, 2, 4, 8, 16, 28)
CLIENTS = (1, 2, 4, 8)
ENTRANTS = (Entrant(LIBRARY, STEPS), Entrant(LIGSERVE, STEPS), Entrant(LIGSERVE, STANDARD))


@dataclass(frozen=True, slots=True)
class Curve:
    """Seconds of a call of one entrant, by size: by number of tokens or targets."""

    entrant: Entrant
    sizes: tuple[int, ...]
    seconds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class ClientsLine:
    """Short texts at 1 %, sent by some clients.

    Attributes:
        throughput: answers a second, that of one client = 1.
        p95: seconds that nineteen in twenty answers took at most, that of one client = 1.
    """

    clients: int
    throughput: float
    p95: float


@dataclass(frozen=True, slots=True)
class Growth:
    """All that was found."""

    tokens: list[Curve]
    targets: list[Curve]
    clients: list[ClientsLine]


def measure_growth(run: Run) -> Growth:
    """Measure all three.

    Raises:
        BenchmarkError: a contender failed.
    """
    tokenizer = AutoTokenizer.from_pretrained(run.encoder)
    long = [Question(Kind.TEXT, text_of(tokenizer, length)) for length in TOKENS]
    length = len(tokenizer(MIDDLE[0])["input_ids"])
    # From the first word on: special tokens are not explained to a tolerance.
    labels = [
        Question(Kind.TOKENS, MIDDLE[0], ignored=(0, *range(1 + targets, length))) for targets in TARGETS
    ]
    return Growth(curves(run, long, TOKENS), curves(run, labels, TARGETS), by_clients(run))


def text_of(tokenizer: Any, length: int) -> str:
    """A text of about so many tokens, special ones included."""
    ids = tokenizer(" ".join(LONG), add_special_tokens=False)["input_ids"]
    text: str = tokenizer.decode(ids[: length - 2])
    return text


def curves(run: Run, questions: Sequence[Question], sizes: Sequence[int]) -> list[Curve]:
    """Every entrant on questions of growing size, in turn."""
    seconds: dict[Entrant, list[float]] = {entrant: [] for entrant in ENTRANTS}
    with contenders((LIBRARY, LIGSERVE), run.setting(questions[0].kind)) as processes:
        _warm_up(processes, questions[0].kind)
        for turn, (question, size) in enumerate(zip(questions, sizes, strict=True)):
            tell(f"GROWTH: {question.kind.value}, size {size}")
            for entrant in rotated(ENTRANTS, turn):
                timed = processes[entrant.contender].explain(question, entrant.accuracy)
                seconds[entrant].append(timed.seconds)
    return [Curve(entrant, tuple(sizes), tuple(taken)) for entrant, taken in seconds.items()]


def by_clients(run: Run) -> list[ClientsLine]:
    """The same short texts from ever more clients."""
    asked = SHORT_REQUESTS[: max(run.texts, CLIENTS[-1])]
    with Server({Kind.TEXT.value: run.encoder}, threads=run.threads) as server:
        send(server, asked[:4], STANDARD, clients=1)
        served = []
        for clients in CLIENTS:
            tell(f"GROWTH: {clients} clients")
            served.append(send(server, asked, STANDARD, clients))
    one = served[0]
    return [
        ClientsLine(clients, one.seconds / each.seconds, each.p95(asked) / one.p95(asked))
        for clients, each in zip(CLIENTS, served, strict=True)
    ]


def _warm_up(processes: dict[str, ContenderProcess], kind: Kind) -> None:
    for entrant in ENTRANTS:
        processes[entrant.contender].explain(Question(kind, WARMING_TEXT), entrant.accuracy)
