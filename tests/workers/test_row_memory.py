"""What is known of memory before a batch is made: what a row keeps, and what is free."""

import dataclasses
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ligserve.internal.v1.frames_pb2 import ModelSource
from ligserve.server.workers.engine import budgets as budgets_module
from ligserve.server.workers.engine.budgets import MEMORY_SHARE, Budgets
from ligserve.server.workers.engine.engine import Engine
from ligserve.server.workers.engine.free_memory import cgroups_room, free_memory
from ligserve.server.workers.models.loaded import TextModel
from ligserve.server.workers.models.loading import load_model
from ligserve.server.workers.models.row_memory import RowMemory
from ligserve.server.workers.probes.memory_probe import kept_bytes, learnt_row_memory
from ligserve.server.workers.probes.probe import probed
from tests.conftest import ZooModel
from tests.workers.conftest import LoadQa, LoadZoo
from tests.workers.test_engine import PROBABILITY, TEXT, explained, spec_of
from tests.zoo import ARCHITECTURES

MIB = 1 << 20
CPU = torch.device("cpu")
# Their attention is padded to windows: what a row keeps goes up in steps.
IN_STEPS = ("longformer", "big-bird")


def long_text(words: int) -> str:
    return " ".join((TEXT.split() * 10)[:words])


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_what_a_row_keeps_is_known_of_other_texts_and_lengths(load_zoo: LoadZoo, name: str) -> None:
    model = load_zoo(name)
    memory = learnt_row_memory(model)
    for words in (5, 15, 30):
        spec = spec_of(model, long_text(words))
        within = 0.5 if name in IN_STEPS else 1e-3
        assert memory.bytes(spec.tokens) == pytest.approx(kept_bytes(spec), rel=within)


def test_what_a_row_keeps_is_what_its_layers_hand_on(load_zoo: LoadZoo) -> None:
    """By hand: of every layer its inner activations before and after their curve, and most of its states.

    Of the last layer only its states: what comes after its attention is there for the first token alone.
    """
    model = load_zoo("bert")
    spec, config = spec_of(model, long_text(30)), model.network.config
    inner = 2 * (config.num_hidden_layers - 1) * config.intermediate_size * 4 * spec.tokens
    states = config.num_hidden_layers * 4 * config.hidden_size * 4 * spec.tokens
    assert inner + states < kept_bytes(spec) < 2 * (inner + states), "and no weights"


def test_rows_of_answerers_and_images_are_known_too(load_qa: LoadQa, image_model: ZooModel) -> None:
    assert learnt_row_memory(load_qa("xlnet")).bytes(100) > 100 * 1000
    model = probed(load_model(ModelSource(name="vit", source=str(image_model("vit"))), "cpu"))
    memory = learnt_row_memory(model)
    assert memory.bytes(2 * memory.longest) == 2 * memory.bytes(memory.longest) > 0


def test_longer_rows_than_were_tried_take_no_less_for_a_token() -> None:
    assert RowMemory(of_row=1000, longest=10).bytes(40) == 4000
    assert RowMemory(of_token=1, of_pair=1, longest=10).bytes(40) == 1640
    assert RowMemory().bytes(40) == 0


@pytest.fixture
def greedy(load_zoo: LoadZoo) -> TextModel:
    """A model whose rows are said to keep a MiB for each token."""
    return dataclasses.replace(load_zoo("bert"), row_memory=RowMemory(of_token=MIB, longest=100))


def test_a_batch_has_as_many_rows_as_free_memory_holds(
    greedy: TextModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    budgets = Budgets(1000)
    for free, rows in ((1 << 60, 100), (600, 600 * MEMORY_SHARE / 10), (20, 1), (0, 1), (1500, 50)):
        monkeypatch.setattr(budgets_module, "free_memory", lambda device, free=free: free * MIB)
        monkeypatch.setattr(budgets_module, "FRESH_S", -1.0)
        assert budgets.rows(greedy, 10) == int(rows)
    assert Budgets(1000).rows(dataclasses.replace(greedy, row_memory=RowMemory()), 10) == 100


def test_batches_of_the_engine_keep_to_it(greedy: TextModel, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = spec_of(greedy, TEXT)
    held = spec.tokens * MIB * 5 / MEMORY_SHARE
    monkeypatch.setattr(budgets_module, "free_memory", lambda device: held)
    engine = Engine(token_budget=10_000)
    batches = engine.tally.batches
    explained(engine, spec, PROBABILITY, steps=18)
    assert engine.tally.batches - batches == 4, "20 points, 5 rows a batch"
    engine.close()


def test_free_memory_is_what_a_limit_of_addresses_leaves() -> None:
    """In a process of its own: it is not easily taken back. A thread more would take 72 MiB of addresses."""
    script = (
        "import resource, torch\n"
        "from ligserve.server.workers.engine.free_memory import free_memory\n"
        "cpu = torch.device('cpu')\n"
        "torch.set_num_threads(1)\n"
        "pages = int(open('/proc/self/statm').read().split()[0])\n"
        f"most = pages * resource.getpagesize() + 400 * {MIB}\n"
        "resource.setrlimit(resource.RLIMIT_AS, (most, most))\n"
        "before = free_memory(cpu)\n"
        f"held = torch.zeros(150 * {MIB}, dtype=torch.uint8)\n"
        "print(before, free_memory(cpu))\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    before, after = (float(each) / MIB for each in ran.stdout.split())
    assert before == pytest.approx(400, abs=30)
    assert before - after == pytest.approx(150, abs=30)


def test_free_memory_is_no_more_than_the_machine_has() -> None:
    assert resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY
    total = next(
        int(line.split()[1]) for line in Path("/proc/meminfo").read_text().splitlines() if "MemTotal" in line
    )
    assert 0 < free_memory(CPU) < total * 1024


def test_every_cgroup_above_a_process_limits_it(tmp_path: Path) -> None:
    """Files as the kernel writes them, of both versions, some of which a container does not see."""
    proc, root = tmp_path / "proc", tmp_path / "cgroups"
    (proc / "self").mkdir(parents=True)
    (proc / "self/cgroup").write_text("5:cpu,cpuacct:/a\n4:memory:/a/b\n0::/c/d\n")

    def write(folder: Path, **values: object) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for name, value in values.items():
            (folder / name.replace("__", ".")).write_text(f"{value}\n")

    old = {"memory__stat": "cache 9\ntotal_inactive_file 5"}
    write(root / "memory/a", memory__limit_in_bytes=100, memory__usage_in_bytes=70, **old)
    write(root / "memory", memory__limit_in_bytes=1000, memory__usage_in_bytes=80, **old)
    new = {"memory__current": 40, "memory__stat": "anon 1\ninactive_file 2"}
    write(root / "c/d", memory__max="max", **new)
    write(root / "c", memory__max=60, **new)
    assert sorted(cgroups_room(root, proc)) == [22, 35, 925, float("inf")]
    assert list(cgroups_room(root, tmp_path)) == []
