"""Workers whose memory is really limited: batches shrink, rows that cannot fit are refused, nobody dies."""

import dataclasses
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from transformers import PreTrainedTokenizerFast

from ligserve.client import (
    Client,
    InvalidRequestError,
    OverloadedError,
    SequenceClassification,
    TokenClassification,
)
from ligserve.server.workers.engine.budgets import FRESH_S
from ligserve.server.workers.models.head import TOKEN
from tests.live_server import LiveServer, live_server
from tests.zoo import ARCHITECTURES, build_model
from tests.zoo.tokenizers import wordpiece

MIB = 1 << 20
POSITIONS = 4096
# Each token of a row takes about 200 KiB in a forward pass whose gradients are wanted, but in the last layer.
WIDE = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 6144}
ROOM = 300 * MIB
STEPS = 30


def _roomy_wordpiece() -> PreTrainedTokenizerFast:
    tokenizer = wordpiece()
    tokenizer.model_max_length = POSITIONS
    return tokenizer


def text(words: int) -> str:
    return " ".join(("great", "movie", "never", "long")[number % 4] for number in range(words))


@dataclass(frozen=True)
class Limited:
    """A server whose only worker has little memory beyond what it takes when idle."""

    server: LiveServer
    client: Client
    worker: psutil.Process


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A wide classifier, and a narrow one of tokens, that take long rows."""
    root, bert = tmp_path_factory.mktemp("memory"), ARCHITECTURES["bert"]

    def roomy(name: str, sizes: dict[str, int], **head: object) -> Path:
        settings = {**bert.settings, **sizes, "max_position_embeddings": POSITIONS}
        made = dataclasses.replace(bert, settings=settings, tokenizer=_roomy_wordpiece)
        return build_model(made, root / name, **head)  # type: ignore[arg-type]

    narrow = {**WIDE, "intermediate_size": 16, "hidden_size": 16}
    return {"wide": roomy("wide", WIDE), "tokens": roomy("tokens", narrow, head=TOKEN)}


@contextmanager
def limited_server(models: dict[str, Path], log: Path, limit: int, taken: str) -> Iterator[Limited]:
    """Room beyond what the worker has taken of a limited resource, by its name in psutil."""
    flags = ("--threads", "1", "--token-budget", "8192", "--kept-points-mib", "0")
    with live_server(models, log, *flags) as server, Client(server.address) as client:
        # What a first request sets up stays.
        client.explain("wide", SequenceClassification(text(2)), n_steps=1)
        (worker,) = server.workers()
        most = getattr(worker.memory_info(), taken) + ROOM
        worker.rlimit(limit, (most, most))
        # So old is what the worker may still go by.
        time.sleep(2 * FRESH_S)
        yield Limited(server, client, worker)


@pytest.fixture
def limited(models: dict[str, Path], tmp_path: Path) -> Iterator[Limited]:
    """With little address space, which the worker knows of."""
    with limited_server(models, tmp_path / "server.log", resource.RLIMIT_AS, "vms") as server:
        yield server


@pytest.fixture
def surprised(models: dict[str, Path], tmp_path: Path) -> Iterator[Limited]:
    """With little memory for data, which the worker does not ask for beforehand."""
    with limited_server(models, tmp_path / "server.log", resource.RLIMIT_DATA, "data") as server:
        yield server


def test_batches_are_as_large_as_free_memory_holds_from_the_first_on(limited: Limited) -> None:
    (loaded,) = (each for each in limited.server.lines.events("model_loaded") if each["model"] == "wide")
    known = loaded["row_memory"]
    kept = known["row"] + 252 * known["token"] + 252**2 * known["token_pair"]
    answer = limited.client.explain("wide", SequenceClassification(text(250)), n_steps=STEPS)
    assert limited.server.lines.events("token_budget_halved") == []
    # By the token budget alone, all 32 rows are one batch.
    assert answer.cost.batches >= (STEPS + 2) * kept / ROOM
    assert answer.cost.batches < STEPS + 2, "more than a row fits"
    assert limited.server.workers() == [limited.worker], "it is the same process"


def test_batches_shrink_to_what_fits_and_stay_so(surprised: Limited) -> None:
    limited = surprised
    task = SequenceClassification(text(250))
    first = limited.client.explain("wide", task, n_steps=STEPS)
    halvings = limited.server.lines.events("token_budget_halved")
    assert halvings, "32 rows of 252 tokens take more than a GiB"
    assert [each["model"] for each in halvings] == ["wide"] * len(halvings)
    budgets = [each["token_budget"] for each in halvings]
    assert budgets == sorted(set(budgets), reverse=True)
    assert budgets[-1] < 8192 / 4
    again = limited.client.explain("wide", task, n_steps=STEPS)
    assert limited.server.lines.events("token_budget_halved") == halvings
    assert again.cost.batches == -(-(STEPS + 2) // max(1, budgets[-1] // 252))
    assert again.targets[0].scores == pytest.approx(first.targets[0].scores, rel=1e-4, abs=1e-6)
    assert limited.worker.is_running()


def test_a_row_that_does_not_fit_is_refused_and_others_go_on(limited: Limited) -> None:
    with pytest.raises(OverloadedError, match="does not hold one row") as refused:
        limited.client.explain("wide", SequenceClassification(text(3500)), n_steps=1)
    assert refused.value.reason == "OUT_OF_MEMORY"
    small = limited.client.explain("wide", SequenceClassification(text(20)), n_steps=1)
    assert len(small.targets[0].scores) == 22
    assert limited.server.workers() == [limited.worker], "it is the same process"


def test_more_scores_than_can_be_kept_are_refused_before_the_work(limited: Limited) -> None:
    """Fifteen points of 2,400 x 2,402 token sums take more than half a GiB."""
    with pytest.raises(InvalidRequestError, match="2400 targets of 2402 tokens") as refused:
        limited.client.explain("tokens", TokenClassification(text(2400)), tolerance=0.05)
    assert refused.value.reason == "TOO_MANY_SCORES"
