"""Starts of a server that cannot succeed: exit code 1, and one sentence that says why."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, BertConfig, BertForMaskedLM

from tests.conftest import ZooModel
from tests.live_server import COMMAND, LiveServer

Spoil = Callable[[Path], None]


def complaint(*flags: str, **environment: str) -> str:
    """What a server that must not start says, besides its log."""
    done = subprocess.run(
        [*COMMAND, "serve", "--listen", "127.0.0.1:0", "--json-logs", *flags],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "HF_HUB_OFFLINE": "1", **environment},
    )
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    (line,) = (line for line in done.stderr.splitlines() if not line.startswith("{"))
    assert line.startswith("ligserve: ")
    assert len(line) < 700
    return line


@pytest.fixture
def copied(zoo_model: ZooModel, tmp_path: Path) -> Path:
    """A model directory that a test may spoil."""
    return Path(shutil.copytree(zoo_model("bert"), tmp_path / "copy"))


def without_configuration(directory: Path) -> None:
    (directory / "config.json").unlink()


def with_half_a_configuration(directory: Path) -> None:
    (directory / "config.json").write_text('{"model_type": "bert", ')


def with_a_configuration_of_nonsense(directory: Path) -> None:
    config = json.loads((directory / "config.json").read_text())
    (directory / "config.json").write_text(json.dumps({**config, "hidden_size": "wide"}))


def with_broken_weights(directory: Path) -> None:
    (directory / "model.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0 not a header at all")


def with_cut_weights(directory: Path) -> None:
    weights = directory / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])


def with_pickled_weights(directory: Path) -> None:
    (directory / "model.safetensors").unlink()
    torch.save({}, directory / "pytorch_model.bin")


def with_a_head_that_fills_gaps(directory: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(directory)
    shutil.rmtree(directory)
    config = BertConfig(vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2)
    BertForMaskedLM(config).save_pretrained(directory)
    tokenizer.save_pretrained(directory)


def without_tokenizer(directory: Path) -> None:
    for path in directory.glob("*token*"):
        path.unlink()


SPOILT: dict[Spoil, str] = {
    without_configuration: "holds no config.json",
    with_half_a_configuration: "cannot load",
    with_a_configuration_of_nonsense: "cannot load",
    with_broken_weights: "cannot load",
    with_cut_weights: "cannot load",
    with_pickled_weights: "loaded only with allow_pickle = true",
    with_a_head_that_fills_gaps: "BertForMaskedLM, not a trained classifier",
    without_tokenizer: "holds no tokenizer",
}


@pytest.mark.parametrize("spoil", SPOILT, ids=lambda spoil: spoil.__name__)
def test_a_spoilt_model(copied: Path, spoil: Spoil) -> None:
    spoil(copied)
    said = complaint("--model", f"mine={copied}")
    assert SPOILT[spoil] in said
    assert "'mine'" in said
    assert str(copied) in said


def test_one_spoilt_model_among_others(copied: Path, zoo_model: ZooModel) -> None:
    with_broken_weights(copied)
    good = f"good={zoo_model('bert')}"
    assert "model 'bad'" in complaint("--model", good, "--model", f"bad={copied}", "--workers", "2")


def test_wrong_settings(zoo_model: ZooModel, tmp_path: Path) -> None:
    model = f"m={zoo_model('bert')}"
    missing = tmp_path / "missing"
    assert complaint("--model", f"m={missing}").endswith(f"there is no model directory {missing}")
    assert "two models are called 'm'" in complaint("--model", model, "--model", model)
    assert "none given; name one with --model" in complaint()
    assert "'gpu' is no device; there are auto, cpu" in complaint("--model", model, "--device", "gpu")
    assert "--workers: 0 is not a whole number" in complaint("--model", model, "--workers", "0")
    assert "is not NAME=PATH" in complaint("--model", "m")
    assert "is no name for a model" in complaint("--model", f"two words={zoo_model('bert')}")
    assert "LIGSERVE_MAX_QUEUE" in complaint("--model", model, LIGSERVE_MAX_QUEUE="many")


def test_wrong_configuration_files(tmp_path: Path) -> None:
    file = tmp_path / "ligserve.toml"
    assert "No such file" in complaint("--config", str(file))
    file.write_text("models = [")
    assert "not TOML" in complaint("--config", str(file))
    file.write_text('colour = "red"')
    assert "colour" in complaint("--config", str(file))


@pytest.mark.skipif(torch.cuda.is_available(), reason="the device is there")
def test_a_device_that_is_not_there(zoo_model: ZooModel) -> None:
    said = complaint("--model", f"m={zoo_model('bert')}", "--device", "cuda:0")
    assert "model 'm': cannot use device cuda:0" in said


def test_a_model_that_is_neither_here_nor_on_the_hub() -> None:
    said = complaint("--model", "m=nobody/nothing")
    assert "model 'm'" in said
    assert "nobody/nothing" in said


def test_a_port_that_is_taken(live: LiveServer, zoo_model: ZooModel) -> None:
    said = complaint("--model", f"m={zoo_model('bert')}", "--listen", live.address)
    assert said == f"ligserve: cannot listen on {live.address}: Address already in use"


def test_an_address_of_another_machine(zoo_model: ZooModel) -> None:
    said = complaint("--model", f"m={zoo_model('bert')}", "--listen", "192.0.2.1:50051")
    assert said.startswith("ligserve: cannot listen on 192.0.2.1:50051: ")
