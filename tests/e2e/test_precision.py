"""Coarser arithmetic, asked for over the wire and by a model's configuration."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from benchmarks.texts import SHORT
from ligserve.client import Client, Convention, FailedPreconditionError, Precision, SequenceClassification
from ligserve.server.workers.models.precision import device_precisions
from ligserve.v1 import explanation_pb2 as pb
from tests.conftest import ZooModel
from tests.live_server import live_server, starting_server

BFLOAT16 = pytest.mark.skipif(
    pb.PRECISION_BFLOAT16 not in device_precisions(torch.device("cpu")),
    reason="this CPU has neither AVX-512 BF16 nor AMX",
)
TASK = SequenceClassification(SHORT[0])


@pytest.fixture(scope="module")
def precise(
    zoo_model: ZooModel, sentiment_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Client]:
    """A client of a server whose models differ in what their configuration lets requests ask for."""
    root = tmp_path_factory.mktemp("precision")
    (root / "ligserve.toml").write_text(
        f'[models.any]\nsource = "{sentiment_model}"\n'
        f'[models.coarse]\nsource = "{sentiment_model}"\nprecisions = ["bfloat16"]\n'
        f'[models.fine]\nsource = "{zoo_model("bert")}"\nprecisions = "float32"\n'
    )
    flags = ("--config", str(root / "ligserve.toml"), "--threads", "1")
    with live_server({}, root / "server.log", *flags) as server, Client(server.address) as client:
        yield client


@BFLOAT16
def test_bfloat16_answers_are_about_the_deployed_model(precise: Client, sentiment_model: Path) -> None:
    fine = precise.explain("any", TASK, tolerance=0.001)
    coarse = precise.explain("any", TASK, accuracy="fast", precision="bfloat16")
    assert (fine.worker.dtype, coarse.worker.dtype) == ("float32", "bfloat16")
    model = AutoModelForSequenceClassification.from_pretrained(sentiment_model).eval()
    with torch.no_grad():
        inputs = AutoTokenizer.from_pretrained(sentiment_model)(SHORT[0], return_tensors="pt")
        plain = model(**inputs).logits[0].softmax(dim=0)
    (target,), (exact,) = coarse.targets, fine.targets
    assert target.f_input == pytest.approx(float(plain[target.class_index]), abs=1e-6)
    assert target.f_baseline == pytest.approx(exact.f_baseline, abs=1e-6)
    assert target.error_bound is not None
    assert abs(sum(target.scores) - (exact.f_input - exact.f_baseline)) <= target.error_bound + 1e-6
    size = sum(map(abs, exact.scores))
    wrong = [abs(ours - theirs) for ours, theirs in zip(target.scores, exact.scores, strict=True)]
    assert 1e-5 * size < sum(wrong) <= 0.05 * size


@BFLOAT16
def test_a_tolerance_below_the_floor_is_answered_with_the_floor(precise: Client) -> None:
    answer = precise.explain("any", TASK, accuracy="exact", precision=Precision.BFLOAT16)
    (target,) = answer.targets
    assert target.stop_reason == "noise_floor"
    (warning,) = [each for each in answer.warnings if each.code == "ROUNDING_FLOOR"]
    assert "bfloat16 rounds too much" in warning.message
    assert target.error_bound is not None
    assert f"{target.error_bound:.2g} (certified)" in warning.message


@BFLOAT16
def test_a_models_own_precision_is_the_default_but_for_the_librarys_numbers(precise: Client) -> None:
    assert precise.model("coarse").precisions == (Precision.BFLOAT16,)
    assert precise.explain("coarse", TASK, accuracy="fast").worker.dtype == "bfloat16"
    library = precise.explain("coarse", TASK, convention=Convention.LIBRARY, n_steps=2)
    assert library.worker.dtype == "float32"


def test_what_a_model_does_not_take_is_refused(precise: Client) -> None:
    assert precise.model("fine").precisions == (Precision.FLOAT32,)
    with pytest.raises(FailedPreconditionError, match=r"not computed in bfloat16 here.* it takes float32"):
        precise.explain("fine", TASK, precision="bfloat16")
    with pytest.raises(FailedPreconditionError, match="float16 here: it takes a GPU"):
        precise.explain("any", TASK, precision="float16")
    assert Precision.TF32 not in precise.model("any").precisions


def test_a_server_does_not_start_with_what_its_device_has_not(zoo_model: ZooModel, tmp_path: Path) -> None:
    config = tmp_path / "ligserve.toml"
    config.write_text(f'[models.m]\nsource = "{zoo_model("bert")}"\nprecisions = ["float16"]\n')
    with starting_server({}, tmp_path / "log", "--config", str(config), "--device", "cpu") as server:
        assert server.process.wait(60) == 1
        assert "cannot compute in float16 on cpu: it takes a GPU" in server.lines.text()
