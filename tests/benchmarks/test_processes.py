from pathlib import Path

import pytest

from benchmarks.process import BenchmarkError, ContenderProcess
from benchmarks.token_model import write_token_model
from benchmarks.truth import Truth
from benchmarks.workloads import CONTENDERS, STEPS, TOKEN_CONTENDERS

TEXT = "Not a bad phone at all, but the battery hardly lasts a day."


@pytest.mark.parametrize("contender", ["transformers-interpret", "captum by hand"])
def test_a_contender_answers_from_its_own_process_and_adds_up(contender: str, sentiment_model: Path) -> None:
    with ContenderProcess(CONTENDERS[contender], sentiment_model, threads=1) as process:
        timed = process.explain(TEXT, STEPS)
        assert process.peak_mib() > 100
    truth = Truth(sentiment_model)
    assert timed.answer.points == 50
    (attribution,) = timed.answer.attributions
    assert len(attribution.scores) == truth.tokens(TEXT)
    assert timed.answer.rows >= 50 + 1
    # 50 steps are what the library takes; on this text they are good to a few per cent.
    assert truth.error(TEXT, timed.answer) < 0.05


def test_a_contender_that_cannot_start_is_told_with_its_reason(tmp_path: Path) -> None:
    with (
        ContenderProcess(CONTENDERS["captum by hand"], tmp_path / "missing", threads=1) as process,
        pytest.raises(BenchmarkError, match="missing"),
    ):
        process.explain(TEXT, STEPS)


@pytest.mark.parametrize("contender", TOKEN_CONTENDERS)
def test_every_tokens_label_is_explained_and_adds_up(
    contender: str, sentiment_model: Path, tmp_path: Path
) -> None:
    model, text = write_token_model(sentiment_model, tmp_path), "Anna moved to Lisbon in March."
    with ContenderProcess(TOKEN_CONTENDERS[contender], model, threads=1) as process:
        answer = process.explain(text, STEPS).answer
    truth = Truth(model, of_tokens=True)
    tokens = truth.tokens(text)
    assert [each.token for each in answer.attributions] == list(range(tokens))
    # For each token 50 points, two look-ups and two ends of its own, and the prediction twice.
    library, ours = 54 * tokens + 2, 50 + 2 + 1
    assert answer.rows == (library if contender == "transformers-interpret" else ours)
    assert truth.error(text, answer) < 0.2
