"""Explanations for people: what is shown, and what must never be."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from ligserve.client import Explanation, ServerWarning, Token
from ligserve.client.folding import fold_answer
from ligserve.client.rendering.colours import css_colour, rgb_colour, strengths
from ligserve.client.rendering.figures import error_figures
from ligserve.client.rendering.html import Row, page, table
from ligserve.client.rendering.pieces import Piece, one_line, printable, text_pieces
from ligserve.client.types.inputs import tokens_from_proto
from ligserve.v1 import explanation_service_pb2 as service_pb
from tests.client.scripted_answer import scripted_messages, to_answer, tokens_of

HOSTILE = '</mark><script>alert("x")</script> & <img src=x onerror=y>\x1b[31m\x00'
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


class Reader(HTMLParser):
    """Collects what a browser would see."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.open: list[str] = []
        self.text = ""
        self.titles: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in ("meta", "img"):
            self.open.append(tag)
        self.titles += [value or "" for name, value in attrs if name == "title"]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def explained(text: str, *classes: int) -> Explanation:
    request = service_pb.ExplainRequest(model="senti<b>ment")
    request.sequence_classification.text = text
    for index in classes:
        request.sequence_classification.targets.add().label.index = index
    return fold_answer(to_answer(scripted_messages(request)), (text,))


def shown(explanation: Explanation, colours: Literal["standard", "256", "truecolor"] | None = None) -> str:
    out = StringIO()
    # Colours are for terminals.
    Console(file=out, width=200, color_system=colours, force_terminal=colours is not None).print(explanation)
    return out.getvalue()


@given(st.text(max_size=40), st.text(max_size=40), st.floats(-5, 5))
def test_everything_in_a_table_is_escaped(text: str, label: str, score: float) -> None:
    row = Row(label, label, 0.5, label, score, (Piece(text, score), Piece(text)))
    reader = Reader(page(table([row]), title=label))
    assert set(reader.tags) == {
        *("html", "head", "meta", "title", "body", "div", "b", "span", "table", "thead", "tr", "th"),
        *("tbody", "td", "mark"),
    }
    assert reader.open == []


def test_a_hostile_text_does_nothing(tmp_path: Path) -> None:
    explanation = explained(HOSTILE, 1, 0)
    explanation.save_html(tmp_path / "page.html")
    written = (tmp_path / "page.html").read_text(encoding="utf-8")
    reader = Reader(written)
    assert "script" not in reader.tags
    assert "img" not in reader.tags
    assert 'alert("x")' in reader.text
    assert "\x1b" not in shown(explanation)
    assert "\x00" not in written
    assert '<meta charset="utf-8">' in written


def test_the_table_has_captum_s_columns_and_rows() -> None:
    explanation = explained("I love you", 1, 0)
    assert explanation._repr_html_() == explanation.html()
    reader = Reader(explanation.html())
    for expected in (
        *("True Label", "Predicted Label", "Attribution Label", "Attribution Score", "Word Importance"),
        *("Legend", "Negative", "Neutral", "Positive", "POSITIVE (0.75)", "NEGATIVE"),
    ):
        assert expected in reader.text
    assert reader.tags.count("tr") == 3
    assert f"{explanation.targets[0].scores[1]:+.6g}" in reader.titles


def test_shades_follow_the_scores() -> None:
    assert strengths([0.001, -0.002, 0.0]) == [0.5, -1.0, 0.0]
    assert strengths([0.0, 0.0]) == [0.0, 0.0]
    shades = [int(re.findall(r"(\d+)%\)", css_colour(s))[0]) for s in (0.0, 0.25, 0.5, 1.0)]
    assert shades == sorted(shades, reverse=True)
    assert css_colour(1.0).startswith("hsl(120")
    assert css_colour(-1.0).startswith("hsl(0")
    assert rgb_colour(1.0)[1] > rgb_colour(1.0)[0]


@given(TEXTS)
def test_pieces_are_the_text(text: str) -> None:
    tokens = list(tokens_from_proto(service_pb.Window(tokens=tokens_of(text))))
    pieces = text_pieces(tokens, [1.0] * len(tokens), (text,), special=False)
    assert "".join(piece.text for piece in pieces) == text


@given(st.data(), TEXTS)
def test_pieces_keep_every_score(data: st.DataObject, text: str) -> None:
    spans = data.draw(st.lists(st.tuples(st.integers(0, len(text)), st.integers(0, len(text))), max_size=6))
    ordered = sorted((min(span), max(span)) for span in spans)
    tokens = [Token(i, "t", 1, start, end, i, False, 0) for i, (start, end) in enumerate(ordered)]
    pieces = text_pieces(tokens, [1.0] * len(tokens), (text,))
    assert "".join(piece.text for piece in pieces) == text
    assert sum(piece.score or 0.0 for piece in pieces) == len(tokens)


def test_the_terminal_shows_the_text_as_it_was_written() -> None:
    explanation = explained("I  love,\n\tyou 🙂", 1)
    plain = shown(explanation)
    for expected in (
        "I  love,",
        "you 🙂",
        "predicted POSITIVE 0.7500",
        "senti<b>ment",
        "stopped by tolerance",
    ):
        assert expected in plain
    assert "\x1b[30;48;2;" in shown(explanation, "truecolor")


def test_a_terminal_of_16_colours_leaves_weak_words_without_any() -> None:
    explanation = explained("I love you and them", 1)
    scores = (0.0, 1.0, -0.9, 0.3, -0.2, 0.05, 0.0)
    target = replace(explanation.targets[0], scores=scores)
    out = shown(replace(explanation, targets=(target,)), "standard")
    (text,) = (line for line in out.splitlines() if "them" in line and "why" not in line and "+" not in line)
    assert text == "\x1b[30;42mI\x1b[0m \x1b[30;41mlove\x1b[0m \x1b[32myou\x1b[0m \x1b[31mand\x1b[0m them"
    assert not re.search("\x1b\\[[0-9;]*4[37]m", out), "no background is yellow or white"


def test_control_characters_become_visible_one_by_one() -> None:
    assert printable("a\x1b[0m\x00\x85\n\tb") == "a\ufffd[0m\ufffd\ufffd\n\tb"
    assert printable("a\r\nb\rc") == "a \nb c"
    assert printable("\u202aa\u202e\u2066b\u2069") == "\ufffda\ufffd\ufffdb\ufffd"


def test_a_word_takes_one_line() -> None:
    assert one_line("two \n lines") == "two lines"
    assert one_line(" \n") == "␣"
    assert one_line("") == ""


def test_figures_and_warnings_stand_under_the_table(tmp_path: Path) -> None:
    explanation = explained("I love you", 1, 0)
    warned = replace(explanation, warnings=(ServerWarning("W", "<img src=x> is \u202enot neutral"),))
    warned.save_html(tmp_path / "page.html")
    for html in (warned.html(), (tmp_path / "page.html").read_text(encoding="utf-8")):
        reader = Reader(html)
        assert "img" not in reader.tags
        under = reader.text[reader.text.index("POSITIVE: ") :]
        first = explanation.targets[0]
        for expected in (
            f"POSITIVE: scores add up to {first.score_sum:+.4f}; the output changes by ",
            f"({first.f_baseline:.4f} to {first.f_input:.4f})",
            f"off by {first.convergence_delta:+.1e}, at most {first.error_bound:.1e}",
            f"faithful convention; {first.points} points, stopped by tolerance",
            "NEGATIVE: scores add up to",
            "warning: <img src=x> is \ufffdnot neutral",
        ):
            assert expected in under
    assert any("normalised scores" in title for title in Reader(explanation.html()).titles)


def test_figures_tell_the_error_bars_where_there_are_any() -> None:
    target = explained("I love you", 1).targets[0]
    fixed, adaptive = replace(target, score_error_sum=None), replace(target, score_error_sum=0.012)
    assert "error bars" not in error_figures(fixed)
    assert error_figures(adaptive) == f"{error_figures(fixed)}; error bars add up to 1.2e-02"


def test_windows_add_up_in_words() -> None:
    tokens = [
        Token(0, "[CLS]", 1, 0, 0, None, True, 0, 0),
        Token(1, "ab", 2, 0, 2, 0, False, 0, 0),
        Token(2, "cd", 3, 3, 5, 1, False, 0, 0),
        Token(0, "[CLS]", 1, 0, 0, None, True, 0, 1),
        Token(1, "cd", 3, 3, 5, 1, False, 0, 1),
    ]
    pieces = text_pieces(tokens, [9.0, 1.0, 2.0, 9.0, 4.0], ("ab cd",))
    assert pieces == (Piece("ab", 1.0), Piece(" "), Piece("cd", 6.0))


def test_dataframes_need_pandas() -> None:
    try:
        import pandas  # noqa: F401
    except ImportError:
        with pytest.raises(ImportError, match="pip install pandas"):
            explained("I love you").to_dataframe()
    else:
        frame = explained("I love you", 1, 0).to_dataframe()
        assert list(frame["text"][:5]) == ["[CLS]", "I", "Ġlove", "Ġyou", "[SEP]"]
        assert list(frame["target"].unique()) == ["POSITIVE", "NEGATIVE"]
