from pathlib import Path

import pytest

from benchmarks.contenders.process import BenchmarkError, ContenderProcess
from benchmarks.contenders.setting import Setting
from benchmarks.models.heads import write_model
from benchmarks.models.truth import Truth
from benchmarks.workloads.questions import Kind, Question
from benchmarks.workloads.workload import BY_HAND, LIBRARY, LIGSERVE, STANDARD, STEPS

TEXT = Question(Kind.TEXT, "Not a bad phone at all, but the battery hardly lasts a day.")


@pytest.mark.parametrize("contender", [LIBRARY, BY_HAND])
def test_a_contender_answers_from_its_own_process_and_adds_up(contender: str, sentiment_model: Path) -> None:
    with ContenderProcess(contender, Setting(Kind.TEXT, sentiment_model, threads=1)) as process:
        timed = process.explain(TEXT, STEPS)
        whole = process.peak_mib()
        process.forget_peak()
        assert 100 < process.peak_mib() <= whole
    truth = Truth(Kind.TEXT, sentiment_model)
    assert timed.answer.points == timed.answer.gradients == 50
    (attribution,) = timed.answer.attributions
    assert len(attribution.scores) == truth.tokens(TEXT)
    assert timed.answer.rows >= 50 + 1
    # 50 steps are what the library takes; on this text they are good to a few per cent.
    assert truth.error(TEXT, timed.answer) < 0.05


def test_a_contender_that_cannot_start_is_told_with_its_reason(tmp_path: Path) -> None:
    with (
        ContenderProcess(BY_HAND, Setting(Kind.TEXT, tmp_path / "missing", threads=1)) as process,
        pytest.raises(BenchmarkError, match="missing"),
    ):
        process.explain(TEXT, STEPS)


def test_a_server_answers_and_streams_and_says_how_long_it_worked(
    sentiment_model: Path, tmp_path: Path
) -> None:
    model = write_model(Kind.TOKENS, sentiment_model, tmp_path)
    question = Question(Kind.TOKENS, "Anna moved to Lisbon in March.", ignored=(0, 1, 2, 3, 4, 8))
    with ContenderProcess(LIGSERVE, Setting(Kind.TOKENS, model, threads=1)) as process:
        seconds, answer = process.explain(question, STEPS)
        to_tolerance = process.explain(question, STANDARD).answer
        whole, stream = process.ask("stream", question, STANDARD)
        _, preview = process.ask("preview", question, STANDARD)
    assert [each.token for each in answer.attributions] == [5, 6, 7]
    assert (answer.points, answer.rows, answer.gradients) == (52, 53, 3 * 52)
    assert 0 < answer.engine_seconds < seconds
    assert 0 < stream.header < stream.first_estimate <= stream.end < whole
    assert 0 < preview.header < preview.first_estimate < preview.end
    assert to_tolerance.points < answer.points
    truth = Truth(Kind.TOKENS, model)
    assert truth.error(question, answer) < 0.2
    assert truth.error(question, to_tolerance) <= 0.01
