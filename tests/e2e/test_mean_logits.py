"""Documents by the mean of their windows' logits, on the real server, through every client."""

import itertools
import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSequenceClassification
from typer.testing import CliRunner

from ligserve.client import (
    Client,
    EstimateEvent,
    Explanation,
    InvalidRequestError,
    MultiLabelClassification,
    ProgressEvent,
    SequenceClassification,
    SequenceClassificationExplainer,
    Window,
)
from ligserve.client.cli.app import app
from tests.conftest import ZooModel
from tests.live_server import LiveServer
from tests.zoo.corpus import SENTENCES

# Some 400 tokens for the zoo's models, which take 128.
TEXT = "\n\n".join(" ".join(SENTENCES[2 * n : 2 * n + 2]) for n in range(5)) * 3
MEAN_LOGITS = Window(stride=80, aggregate="mean_logits")
TASK = SequenceClassification(TEXT, targets=[0, 1, 2])


@pytest.fixture(scope="module")
def document(live: LiveServer) -> Explanation:
    with Client(live.address) as client:
        return client.explain("bert", TASK, long_input=MEAN_LOGITS, tolerance=0.02)


def test_the_output_is_that_of_the_mean_of_the_windows_logits(
    document: Explanation, client: Client, zoo_model: ZooModel
) -> None:
    """Of the windows' token ids in plain transformers."""
    torch.set_num_threads(1)
    model = AutoModelForSequenceClassification.from_pretrained(zoo_model("bert")).eval()
    starts = [window.first_token for window in document.windows]
    ids = [token.id for token in document.tokens]
    before, after, content = ids[:1], ids[-1:], ids[1:-1]
    rows = [
        [*before, *content[start : start + window.token_count], *after]
        for start, window in zip(starts, document.windows, strict=True)
    ]
    with torch.no_grad():
        logits = torch.stack([model(torch.tensor([row])).logits[0] for row in rows]).double().mean(dim=0)
    assert document.prediction is not None
    assert document.prediction.logits == pytest.approx(logits.tolist(), abs=1e-5)
    assert document.prediction.probabilities == pytest.approx(logits.softmax(dim=0).tolist(), abs=1e-6)
    for target, probability in zip(document.targets, logits.softmax(dim=0).tolist(), strict=True):
        assert target.f_input == pytest.approx(probability, abs=1e-6)


def test_scores_add_up_over_the_document(document: Explanation) -> None:
    for target in document.targets:
        change = target.f_input - target.f_baseline
        assert sum(target.scores) == pytest.approx(target.score_sum, abs=1e-9)
        assert abs(sum(target.scores) - change) <= target.error_bound
        assert target.error_bound <= 0.02 * max(abs(change), sum(map(abs, target.scores)))
    # Probabilities add up to 1 all along the path, so a token takes from one class what it gives to others.
    sums = [sum(scores) for scores in zip(*(target.scores for target in document.targets), strict=True)]
    assert max(map(abs, sums)) <= sum(sum(target.score_errors) for target in document.targets)
    for number, target in enumerate(document.targets):
        special = sum(s for token, s in zip(document.tokens, target.scores, strict=True) if token.special)
        for level in ("word", "sentence", "paragraph"):
            parts = document.parts(level, number)
            assert sum(part.score for part in parts) == pytest.approx(target.score_sum - special, abs=1e-9)
    assert document.sentences()[0].text == SENTENCES[0]
    assert len(document.top(3, 1, level="sentence")) == 3
    assert all(window.changes == () for window in document.windows)
    assert all(len(window.scores) == 3 for window in document.windows)
    assert "<details" in document.html()


def test_the_stream_tells_every_window_round_by_round(client: Client, document: Explanation) -> None:
    with client.stream("bert", TASK, long_input=MEAN_LOGITS, tolerance=1e-4, estimate_interval=0) as stream:
        events = list(stream)
    estimates = [event for event in events if isinstance(event, EstimateEvent)]
    every = set(itertools.product(range(3), range(len(document.windows))))
    early = {(event.target, event.window) for event in estimates if event.round == 1}
    assert early == every == {(event.target, event.window) for event in estimates if event.final}
    told = [event for event in events if isinstance(event, ProgressEvent) and event.unexplained]
    for event in told:
        assert event.windows == len(document.windows)
        goes_on = event.windows_done < event.windows
        changes = [goes_on * (target.f_input - target.f_baseline) for target in document.targets]
        assert event.unexplained == pytest.approx(changes, abs=1e-5)


def test_a_text_that_fits_is_plain(client: Client) -> None:
    task = SequenceClassification(SENTENCES[0], targets=[0, 1])
    plain = client.explain("bert", task, n_steps=9)
    one = client.explain("bert", task, n_steps=9, long_input=MEAN_LOGITS)
    assert one.windows == ()
    assert one.targets == plain.targets
    assert one.prediction == plain.prediction


def test_labels_of_their_own(client: Client) -> None:
    explanation = client.explain(
        "bert", MultiLabelClassification(TEXT), long_input=MEAN_LOGITS, tolerance=0.05
    )
    prediction = explanation.prediction
    assert prediction is not None
    expected = torch.tensor(prediction.logits).sigmoid().tolist()
    assert prediction.probabilities == pytest.approx(expected, abs=1e-6)
    for target, probability in zip(explanation.targets, expected, strict=True):
        assert target.f_input == pytest.approx(probability, abs=1e-6)
        assert target.stop_reason == "tolerance"


def test_what_memory_would_not_hold_is_refused_with_the_way_out(client: Client) -> None:
    many = SequenceClassification(" ".join(SENTENCES * 20), targets=[0] * 64)
    with pytest.raises(InvalidRequestError, match="larger stride") as raised:
        client.explain("bert", many, long_input=Window(stride=20, aggregate="mean_logits"))
    (violation,) = raised.value.violations
    assert violation.field == "options.long_input.window.aggregate"
    assert "524288" in violation.description


def test_drop_ins_take_it(client: Client) -> None:
    explainer = SequenceClassificationExplainer(client, "bert")
    words = explainer(TEXT, n_steps=5, long_input=MEAN_LOGITS)
    assert explainer.explanation is not None
    assert len(words) == len(explainer.explanation.tokens) > 128
    assert explainer.explanation.convention == "library"
    (target,) = explainer.explanation.targets
    assert abs(target.convergence_delta) <= target.error_bound
    assert explainer.predicted_class_index == target.class_index


def test_the_command_line_takes_it(live: LiveServer, tmp_path: Path) -> None:
    source = tmp_path / "report.txt"
    source.write_text(TEXT, encoding="utf-8")
    arguments = ["explain", "--file", str(source), "-m", "bert", "--server", live.address, "--json"]
    windows = ["--stride", "120", "--aggregate", "mean_logits", "--tolerance", "0.1"]
    result = CliRunner().invoke(app, [*arguments, *windows])
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    (target,) = answer["targets"]
    change = target["f_input"] - target["f_baseline"]
    assert abs(sum(target["scores"]) - change) <= target["error_bound"]


def test_an_aggregate_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="mean_logits"):
        Window(aggregate="median")
