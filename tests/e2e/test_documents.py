"""Long texts on the real server: windows over the wire, in both conventions, and what is refused."""

import re
from itertools import pairwise
from pathlib import Path
from pydoc_data.topics import topics

import grpc
import pytest
from typer.testing import CliRunner

from ligserve.client import (
    Aggregate,
    AsyncClient,
    Client,
    EstimateEvent,
    Explanation,
    HeaderEvent,
    InvalidRequestError,
    MultiLabelClassification,
    MultiLabelClassificationExplainer,
    ProgressEvent,
    SequenceClassification,
    SequenceClassificationExplainer,
    SummaryEvent,
    Window,
)
from ligserve.client.cli.app import app
from ligserve.v1 import explanation_service_pb2 as pb
from ligserve.v1.explanation_service_pb2_grpc import ExplanationServiceStub
from tests.conftest import ZooModel
from tests.live_server import LiveServer, live_server
from tests.zoo.corpus import SENTENCES

# Python's own documentation (PSF License Version 2), part of every Python: some 2000 tokens of English.
PROSE = topics["specialnames"][:8_000]
# Some 400 tokens for the zoo's models, which take 128; paragraphs of two sentences.
TEXT = "\n\n".join(" ".join(SENTENCES[2 * n : 2 * n + 2]) for n in range(5)) * 3
ALL = Window(stride=60)


@pytest.fixture(scope="module")
def document(live: LiveServer) -> Explanation:
    with Client(live.address) as client:
        task = SequenceClassification(TEXT, targets=[0, 1])
        return client.explain("bert", task, long_input=ALL, tolerance=0.02)


def test_real_prose_on_a_real_model(client: Client) -> None:
    """Windows that do not overlap, for a test's time; overlapping ones are tested on small models."""
    with client.stream(
        "sentiment", SequenceClassification(PROSE), tolerance=0.2, long_input=Window(stride=510), timeout=280
    ) as stream:
        events = list(stream)
        explanation = stream.result()
    header = next(event for event in events if isinstance(event, HeaderEvent))
    assert len(header.windows) == len(explanation.windows) > 3
    assert header.prediction == explanation.prediction
    (target,) = explanation.targets
    assert sum(target.scores) == pytest.approx(target.score_sum, abs=1e-9)
    assert abs(target.convergence_delta) <= target.error_bound
    change = abs(target.f_input - target.f_baseline)
    assert target.error_bound <= 0.2 * max(change, sum(map(abs, target.scores)))
    covered = {place for token in explanation.tokens for place in range(token.start, token.end)}
    assert {place for place, char in enumerate(PROSE) if not char.isspace()} <= covered
    finals = [event for event in events if isinstance(event, EstimateEvent) and event.final]
    assert [event.window for event in finals] != sorted(event.window for event in finals)


def test_events_come_in_order_and_tell_what_is_left(client: Client) -> None:
    with client.stream("bert", SequenceClassification(TEXT), long_input=ALL, n_steps=60) as stream:
        events = list(stream)
        explanation = stream.result()
    kinds = [type(event) for event in events if not isinstance(event, ProgressEvent)]
    assert kinds[0] is HeaderEvent
    assert kinds[-1] is SummaryEvent
    assert set(kinds[1:-1]) == {EstimateEvent}
    left = {number: window.changes[0] for number, window in enumerate(explanation.windows)}
    told = 0
    for event in events:
        if isinstance(event, EstimateEvent) and event.final:
            del left[event.window]
        if isinstance(event, ProgressEvent) and event.unexplained:
            assert event.unexplained[0] == pytest.approx(sum(left.values()), abs=1e-9)
            assert (event.windows, event.windows_done) == (
                len(explanation.windows),
                event.windows - len(left),
            )
            told += 1
    assert told > 1


def test_the_unary_answer_is_the_streams(client: Client, document: Explanation) -> None:
    task = SequenceClassification(TEXT, targets=[0, 1])
    with client.stream("bert", task, long_input=ALL, tolerance=0.02) as stream:
        streamed = stream.result()
    assert streamed.tokens == document.tokens
    assert streamed.prediction == document.prediction
    for one, other in zip(document.targets, streamed.targets, strict=True):
        assert one.scores == pytest.approx(other.scores, abs=1e-5)


@pytest.mark.parametrize("name", ["bert", "roberta", "gpt2", "deberta-v2", "modernbert"])
def test_every_token_stands_once_and_its_score_is_the_sum_over_windows(client: Client, name: str) -> None:
    explanation = client.explain(name, SequenceClassification(TEXT), long_input=ALL, tolerance=0.1)
    before = int(explanation.tokens[0].special)
    sums = [0.0] * sum(not token.special for token in explanation.tokens)
    for window in explanation.windows:
        own = window.scores[0][before : before + window.token_count]
        for place, score in enumerate(own, window.first_token):
            sums[place] += score
    (target,) = explanation.targets
    by_token = [s for token, s in zip(explanation.tokens, target.scores, strict=True) if not token.special]
    assert by_token == pytest.approx(sums, abs=1e-12)
    assert [token.index for token in explanation.tokens] == list(range(len(explanation.tokens)))


def test_words_sentences_and_paragraphs_add_up(document: Explanation) -> None:
    special = [
        score
        for token, score in zip(document.tokens, document.targets[1].scores, strict=True)
        if token.special
    ]
    whole = document.targets[1].score_sum - sum(special)
    for level in ("token", "word", "sentence", "paragraph"):
        parts = document.parts(level, 1)
        assert sum(part.score for part in parts) == pytest.approx(whole, abs=1e-9)
        assert all(TEXT[part.start : part.end] == part.text for part in parts)
    # The texts are joined without a blank line in between, thus 2 paragraphs less.
    assert len(document.paragraphs(1)) == 13
    assert document.sentences()[0].text == SENTENCES[0]
    top = document.top(3, 1, level="sentence")
    assert len(top) == 3
    assert abs(top[0].score) == max(abs(part.score) for part in document.sentences(1))


@pytest.mark.parametrize("options", [{"convention": "library"}, {}], ids=["library", "faithful"])
def test_a_text_that_fits_is_plain_whatever_the_policy(client: Client, options: dict[str, str]) -> None:
    task = SequenceClassification(SENTENCES[0], targets=[0, 1])
    answers = [
        client.explain("bert", task, n_steps=9, long_input=policy, **options)  # type: ignore[arg-type]
        for policy in ("refuse", "window", "truncate", Window(stride=1), Window(aggregate=Aggregate.MAX))
    ]
    for answer in answers:
        assert answer.windows == ()
        assert answer.truncated_tokens == 0
        assert answer.targets == answers[0].targets
        assert answer.tokens == answers[0].tokens
        assert answer.prediction == answers[0].prediction


def test_library_refuses_unless_windows_are_asked_for(client: Client) -> None:
    task = SequenceClassification(TEXT)
    with pytest.raises(InvalidRequestError, match="takes at most 128"):
        client.explain("bert", task, convention="library")
    explanation = client.explain("bert", task, convention="library", long_input="window", n_steps=5)
    assert len(explanation.windows) > 3
    assert explanation.convention == "library"


def test_faithful_makes_windows_of_a_quarter_by_default(client: Client) -> None:
    explanation = client.explain("bert", SequenceClassification(TEXT), n_steps=5)
    starts = [window.first_token for window in explanation.windows]
    assert all(0 < after - before <= 31 for before, after in pairwise(starts))
    assert {window.share for window in explanation.windows} == {1 / len(starts)}


@pytest.mark.parametrize("convention", ["library", "faithful"])
def test_a_cut_text_says_how_much_was_lost(client: Client, convention: str) -> None:
    explanation = client.explain(
        "bert", SequenceClassification(TEXT), long_input="truncate", convention=convention, n_steps=9
    )
    assert len(explanation.tokens) == 128
    (warning,) = [w for w in explanation.warnings if w.code == "TEXT_TRUNCATED"]
    assert f"the last {explanation.truncated_tokens} tokens" in warning.message
    whole = client.explain(
        "bert", SequenceClassification(TEXT), convention=convention, long_input=ALL, n_steps=1
    )
    assert len(whole.tokens) == 128 + explanation.truncated_tokens


def test_the_largest_window_alone_is_explained(client: Client) -> None:
    largest = Window(stride=60, aggregate=Aggregate.MAX)
    explanation = client.explain("bert", SequenceClassification(TEXT, targets=[2]), long_input=largest)
    (target,) = explanation.targets
    window = explanation.windows[target.target.window or 0]
    assert target.target.runner_up_gap is not None
    assert sum(window.scores[0]) == pytest.approx(target.score_sum)
    assert [each.index for each in explanation.windows if each.targets] == [window.index]
    tokens = explanation.tokens_of()
    assert len(target.scores) == len(tokens) == len(window.scores[0])
    content = [token for token in tokens if not token.special]
    assert (content[0].start, content[-1].end) == (window.start, window.end)
    prediction = explanation.prediction
    assert prediction is not None
    assert prediction.probabilities[2] == pytest.approx(target.f_input, abs=1e-6)


def test_multi_label_documents(client: Client) -> None:
    explanation = client.explain("bert", MultiLabelClassification(TEXT), long_input=ALL, tolerance=0.05)
    assert len(explanation.targets) == 3
    assert all(t.stop_reason == "tolerance" for t in explanation.targets)


def test_drop_ins_take_windows(client: Client) -> None:
    explainer = SequenceClassificationExplainer(client, "bert")
    with pytest.raises(InvalidRequestError):
        explainer(TEXT, n_steps=5)
    words = explainer(TEXT, n_steps=5, long_input="window")
    assert explainer.explanation is not None
    assert len(words) == len(explainer.explanation.tokens) > 128
    assert (words[0][0], words[-1][0]) == ("[CLS]", "[SEP]")
    labels = MultiLabelClassificationExplainer(client, "bert")(TEXT, n_steps=3, long_input=Window(stride=126))
    assert {len(scores) for scores in labels.values()} == {len(words)}
    assert "<details" in explainer.explanation.html()


async def test_the_async_client_takes_windows(live: LiveServer, document: Explanation) -> None:
    async with AsyncClient(live.address) as client:
        task = SequenceClassification(TEXT, targets=[0, 1])
        explanation = await client.explain("bert", task, long_input=ALL, tolerance=0.02, progress=True)
    assert explanation.targets[0].scores == pytest.approx(document.targets[0].scores, abs=1e-5)


def test_closing_after_three_windows_frees_the_worker(
    zoo_model: ZooModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # With one job at a time, the next job starts only after the worker has let go of the document.
    monkeypatch.setenv("LIGSERVE_JOBS_PER_WORKER", "1")
    windows: set[int] = set()
    task = SequenceClassification(" ".join(SENTENCES * 30))
    with (
        live_server({"bert": zoo_model("bert", 3)}, tmp_path / "server.log", "--threads", "1") as server,
        Client(server.address) as client,
    ):
        with client.stream("bert", task, n_steps=300, long_input=Window(stride=10), timeout=250) as stream:
            for event in stream:
                if isinstance(event, EstimateEvent) and event.final:
                    windows.add(event.window)
                if len(windows) == 3:
                    break
        after = client.explain("bert", SequenceClassification(SENTENCES[0]), n_steps=3)
    assert after.targets[0].points == 5


def test_a_word_of_200_000_characters(client: Client) -> None:
    with pytest.raises(InvalidRequestError, match="a word of 200000 characters"):
        client.explain("bert", SequenceClassification("x" * 200_000))


def test_an_answer_that_is_too_large_for_one_message_points_to_the_stream(live: LiveServer) -> None:
    request = pb.ExplainRequest(model="bert")
    request.sequence_classification.text = " ".join(SENTENCES * 20)
    for _ in range(64):
        request.sequence_classification.targets.add()
    request.options.long_input.window.stride = 10
    with grpc.insecure_channel(live.address) as channel, pytest.raises(grpc.RpcError) as caught:
        ExplanationServiceStub(channel).Explain(request, timeout=120)
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert "StreamExplain" in str(caught.value.details())


def test_the_command_line_explains_a_file(live: LiveServer, tmp_path: Path) -> None:
    source, page = tmp_path / "report.txt", tmp_path / "report.html"
    source.write_text(TEXT, encoding="utf-8")
    arguments = ["explain", "--file", str(source), "-m", "bert", "--stride", "60", "--server", live.address]
    result = CliRunner().invoke(app, [*arguments, "--html", str(page), "--tolerance", "0.1"])
    assert result.exit_code == 0, result.output
    assert SENTENCES[9] in " ".join(result.output.split())
    html = page.read_text(encoding="utf-8")
    targets = re.findall(r'href="#([^"]+)"', html)
    assert targets
    assert set(targets) == set(re.findall(r'id="([^"]+)"', html))
    assert html.count("<details") == len(targets)
