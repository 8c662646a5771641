"""Long texts in an explanation: their sections as HTML, and how they fill with colour."""

import re
from dataclasses import replace
from html import unescape
from itertools import pairwise

import pytest

from ligserve.client import EstimateEvent, Explanation, HeaderEvent
from ligserve.client.document_scores import RunningScores
from ligserve.client.rendering.colours import FAINTEST
from ligserve.client.rendering.heat import heat_strip, heated_text
from ligserve.client.rendering.paint import few_colours, many_colours
from ligserve.client.rendering.sections import BESIDE, sections_of
from tests.client.labelled_windows import events
from tests.client.windowed_text import Span, messages

WORDS = [f"word{number}" for number in range(40)]
TEXT = " ".join(WORDS)
SPANS: list[Span] = [(0, 10), (5, 15), (10, 20), (15, 30), (25, 40)]
STARTS = [0, *(TEXT.index(f"word{start} ") for start, _ in SPANS[1:])]


def explained(only: int | None = None) -> Explanation:
    folder, _ = events(messages(WORDS, SPANS, only), TEXT)
    return folder.result()


def visible(html: str) -> list[str]:
    """The lines that a reader sees."""
    return [unescape(line) for line in re.split("<[^>]+>", html) if line.strip()]


@pytest.mark.parametrize("only", [None, 0, 2, 4])
def test_every_section_is_its_stretch_of_the_text(only: int | None) -> None:
    sections = sections_of(explained(only), 0)
    texts = ["".join(piece.text for piece in section.pieces) for section in sections]
    edges = [*STARTS, len(TEXT)]
    assert texts == [TEXT[start:end] for start, end in pairwise(edges)]
    assert [section.name for section in sections] == [
        f"characters {start} to {end}" for start, end in pairwise(edges)
    ]
    assert [window.index for section in sections for window in section.windows] == [0, 1, 2, 3, 4]
    assert BESIDE not in {section.name for section in sections}


def test_no_token_with_a_score_is_cut_in_two() -> None:
    whole = explained()
    # As if the second window started within "word5".
    first, second, *others = whole.windows
    moved = (first, replace(second, start=second.start + 2), *others)
    sections = sections_of(replace(whole, windows=moved), 0)
    texts = ["".join(piece.text for piece in section.pieces) for section in sections]
    assert "".join(texts) == TEXT
    assert texts[0].endswith("word4 word5")
    assert texts[1].startswith(" word6")


def test_a_stretch_and_a_window_have_their_own_figures() -> None:
    lines = visible(explained().html())
    # Word 7 is in windows 0 and 1: what the first stretch (words 0 to 4) adds up to is not window 0's sum.
    first = sum(range(1, 6)) / 1000
    assert any(line.startswith(f"characters 0 to {STARTS[1]}: {first:+.4g}") for line in lines), lines
    own = sum(range(1, 11)) / 1000
    end = TEXT.index("word9") + len("word9")
    assert f"window 0, characters 0 to {end}: its own scores add up to {own:+.4g}" in lines
    assert sum(line.startswith("window ") for line in lines) == len(SPANS)


def test_a_window_that_alone_is_explained_is_named() -> None:
    lines = visible(explained(only=2).html())
    place = f"window 2, characters {STARTS[2]} to {TEXT.index('word19') + 6}"
    assert any(line == f", in {place} alone" for line in lines)
    assert [line for line in lines if line.startswith("window ")] == [
        f"{place}: its own scores add up to {sum(range(11, 21)) / 1000:+.4g}"
    ]


def running(count: int) -> RunningScores:
    """What is known once so many windows are done."""
    _, found = events(messages(WORDS, SPANS), TEXT)
    header = next(event for event in found if isinstance(event, HeaderEvent))
    assert header.document is not None
    scores = RunningScores(header.document, header.targets)
    for event in [event for event in found if isinstance(event, EstimateEvent)][:count]:
        scores.add(event)
    return scores


def test_a_text_fills_with_colour_as_windows_finish() -> None:
    before = heated_text(running(0), TEXT, 1000, many_colours)
    assert before.plain == TEXT
    assert {str(span.style) for span in before.spans} == {"dim"}
    after = heated_text(running(1), TEXT, 1000, many_colours)
    assert after.plain == TEXT
    coloured = [after.plain[span.start : span.end] for span in after.spans if "on" in str(span.style)]
    assert coloured == WORDS[:10]


def test_a_text_that_does_not_fit_shows_the_newest_window() -> None:
    shown = heated_text(running(3), TEXT, 30, many_colours).plain
    assert TEXT[STARTS[2] :].startswith(shown)
    assert 20 < len(shown) <= 30
    assert heated_text(running(3), TEXT, 0, many_colours).plain == ""


def test_a_strip_shows_what_is_known_in_few_colours_too() -> None:
    for paint in (few_colours, many_colours):
        assert heat_strip(running(0), 42, paint).plain == "·" * 42
        strip = heat_strip(running(1), 42, paint)
        assert strip.plain.count("·") == 30, "the words of the other windows"
        assert "·" not in strip.plain[:11]
    assert heat_strip(running(1), 42, few_colours).plain.startswith("━")


def test_faint_tokens_cost_nothing_but_their_text() -> None:
    count = 5_000
    words = [f"word{number}" for number in range(count)]
    stream = messages(words, [(start, start + 100) for start in range(0, count, 100)])
    estimates = [message.estimate for message in stream if message.HasField("estimate")]
    for estimate in estimates:
        estimate.scores[:] = [FAINTEST * 0.9] * 102
    estimates[7].scores[3], estimates[20].scores[50] = 1.0, -FAINTEST * 1.1
    folder, _ = events(stream, " ".join(words))
    html = folder.result().html()
    marks = re.findall('<mark style="([^"]+)" title="([^"]+)">([^<]+)</mark>', html)
    assert [(title, text) for _, title, text in marks] == [("+1", "word702"), ("-0.033", "word2049")]
    assert all("background:hsl(" in style for style, _, _ in marks)
    # The sections are what there is beside the text.
    assert len(html) < len(" ".join(words)) + 50 * 1_000
