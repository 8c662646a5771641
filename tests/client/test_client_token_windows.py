"""Labels of a long text in an explanation: put together over windows, and shown."""

import re
from io import StringIO

import pytest
from rich.console import Console

from ligserve.client import Explanation, MalformedAnswerError
from ligserve.client.document_scores import RunningScores
from ligserve.client.rendering.excerpts import REACH, excerpt
from ligserve.client.types.events import EstimateEvent, HeaderEvent
from ligserve.v1 import explanation_service_pb2 as service_pb
from tests.client.labelled_windows import PROBABILITY, Messages, Span, events, messages

WORDS = ["they", "moved", "to", "New", "York", "City", "in", "May"]
LABELS = ["O", "O", "O", "B-LOC", "I-LOC", "I-LOC", "O", "O"]
TEXT = " ".join(WORDS)
# "York" is the first window's, "City" the second's.
SPANS: list[Span] = [((0, 6), (0, 5)), ((3, 8), (5, 8))]


def whole() -> Messages:
    return messages(WORDS, LABELS, SPANS)


@pytest.fixture
def explanation() -> Explanation:
    folder, _ = events(whole(), TEXT)
    return folder.result()


def shown(explanation: Explanation) -> str:
    out = StringIO()
    Console(file=out, width=200, color_system=None).print(explanation)
    return out.getvalue()


def test_every_token_stands_once_with_its_own_windows_label(explanation: Explanation) -> None:
    assert [token.text.lstrip("Ġ") for token in explanation.tokens] == ["[CLS]", *WORDS, "[SEP]"]
    assert [each.label for each in explanation.token_predictions] == ["O", *LABELS, "O"]
    assert [target.target.token for target in explanation.targets] == list(range(1, 9))
    assert [target.target.window for target in explanation.targets] == [0] * 5 + [1] * 3
    assert [window.targets for window in explanation.windows] == [(0, 1, 2, 3, 4), (5, 6, 7)]
    assert [token.index for token in explanation.tokens_of(0)] == [0, 1, 2, 3, 4, 5, 6, 9]
    assert [token.index for token in explanation.tokens_of(5)] == [0, 4, 5, 6, 7, 8, 9]
    assert [word.text for word in explanation.words(5)] == WORDS[3:]


def test_an_entity_over_an_edge_has_scores_for_both_windows_tokens(explanation: Explanation) -> None:
    (first,) = explanation.entities()
    assert (first.label, first.text, first.start, first.end) == ("LOC", "New York City", 14, 27)
    assert TEXT[first.start : first.end] == first.text
    assert (first.tokens, first.targets) == ((4, 5, 6), (3,))
    assert first.scored == (0, 1, 2, 3, 4, 5, 6, 9)
    (whole_entity,) = explanation.entities("sum")
    assert whole_entity.targets == (3, 4, 5)
    assert whole_entity.scored == tuple(range(10))
    by_token = dict(zip(whole_entity.scored, whole_entity.scores, strict=True))
    # "they" is in the first window alone, which two of the three targets are about.
    assert by_token[1] == pytest.approx((1 - 4) / 8 + (1 - 5) / 8)
    assert by_token[8] == pytest.approx((8 - 6) / 8)
    assert by_token[5] == pytest.approx((5 - 4) / 8 + (5 - 5) / 8 + (5 - 6) / 8)
    words = explanation.words(whole_entity)
    assert [word.text for word in words] == WORDS
    assert explanation.top(1, whole_entity)[0].text == "they"


def test_what_the_deadline_left_out_is_nought() -> None:
    stream = messages(WORDS, LABELS, SPANS, service_pb.STOP_REASON_DEADLINE)
    folder, _ = events([m for m in stream if m.estimate.target != 7 or not m.HasField("estimate")], TEXT)
    explanation = folder.result()
    assert explanation.targets[7].scores == (0.0,) * 7
    assert explanation.windows[1].scores[2] == ()


def damaged(kind: str) -> Messages:
    stream = whole()
    window = stream[0].header.windows[1]
    match kind:
        case "a gap between predictions":
            window.token_predictions.first_token += 1
        case "a change too many":
            window.changes.append(0.5)
        case "a target about a token beyond the text":
            stream[0].header.targets[7].token = 10
        case "an estimate is missing":
            del stream[3]
    return stream


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("a gap between predictions", "predictions from token 7 on come after 6"),
        ("a change too many", "window 1 has 4 changes for 3 targets"),
        ("a target about a token beyond the text", "about a token that is not in the header"),
        ("an estimate is missing", r"target 2 has no final estimate for windows \[0\]"),
    ],
)
def test_a_damaged_stream_is_refused(kind: str, words: str) -> None:
    with pytest.raises(MalformedAnswerError, match=words):
        events(damaged(kind), TEXT)


def test_a_strip_fills_with_labels_as_they_come() -> None:
    _, found = events(whole(), TEXT)
    header = next(event for event in found if isinstance(event, HeaderEvent))
    assert header.document is not None
    running = RunningScores(header.document, header.targets)
    estimates = [event for event in found if isinstance(event, EstimateEvent)]
    for event in estimates[:3]:
        running.add(event)
    assert [place for place, known in enumerate(running.known) if known] == [1, 2, 3]
    assert running.scores[2] == pytest.approx(sum(estimates[1].scores))


def long_explanation(count: int = 300) -> Explanation:
    words = [f"word{number}" for number in range(count)]
    edges = range(0, count, 50)
    spans = [((max(0, edge - 25), min(count, edge + 75)), (edge, edge + 50)) for edge in edges]
    folder, _ = events(messages(words, ["B-LOC"] * count, spans), " ".join(words))
    return folder.result()


def test_a_label_of_a_long_text_is_shown_with_what_stands_around_it() -> None:
    explanation = long_explanation()
    pieces = excerpt(explanation, 149)
    text = "".join(piece.text for piece in pieces)
    assert text == "…" + " ".join(f"word{n}" for n in range(149 - REACH, 149 + REACH + 1)) + "…"
    scores = [piece.score for piece in pieces if piece.score is not None]
    assert scores == [place / 8 for place in range(-REACH, REACH + 1)]
    assert "".join(piece.text for piece in excerpt(explanation, 0)).startswith("word0 ")
    assert "".join(piece.text for piece in excerpt(explanation, 299)).endswith(" word299")


def test_a_long_text_s_labels_on_a_terminal_are_those_that_one_may_read() -> None:
    out = shown(long_explanation())
    assert " ".join(out.split()).count("and 260 more") == 2, "entities, and labels"
    assert "B-LOC: word39 (token 40)" in out
    assert "(token 41)" not in out
    assert "and 260 more, which HTML and JSON show" in out
    assert "300 targets; the worst is off by" in out


def test_a_long_text_s_labels_as_html_unfold_by_window() -> None:
    explanation = long_explanation()
    html = explanation.html()
    links, anchors = re.findall(r'href="#([^"]+)"', html), re.findall(r'id="([^"]+)"', html)
    assert links == anchors
    assert len(links) == len(explanation.windows) == html.count("<details")
    assert html.count("<p><b>B-LOC: ") == 300
    assert f"<p><b>B-LOC: word149 (token 150)</b> ({PROBABILITY:.2f})</p>" in html
    assert len(html) < 300 * 150 * (2 * REACH + 1), "not the whole text for every label"
