from pathlib import Path

import pytest

from benchmarks.process import BenchmarkError, ContenderProcess
from benchmarks.truth import Truth
from benchmarks.workloads import STEPS

TEXT = "Not a bad phone at all, but the battery hardly lasts a day."


@pytest.mark.parametrize("contender", ["transformers-interpret", "captum by hand"])
def test_a_contender_answers_from_its_own_process_and_adds_up(contender: str, sentiment_model: Path) -> None:
    with ContenderProcess(contender, sentiment_model, threads=1) as process:
        timed = process.explain(TEXT, STEPS)
        assert process.peak_mib() > 100
    truth = Truth(sentiment_model)
    assert timed.answer.points == 50
    assert len(timed.answer.scores) == truth.tokens(TEXT)
    # 50 steps are what the library takes; on this text they are good to a few per cent.
    assert truth.error(TEXT, timed.answer) < 0.05


def test_a_contender_that_cannot_start_is_told_with_its_reason(tmp_path: Path) -> None:
    with (
        ContenderProcess("captum by hand", tmp_path / "missing", threads=1) as process,
        pytest.raises(BenchmarkError, match="missing"),
    ):
        process.explain(TEXT, STEPS)
