"""Labels of tokens put together: words and entities, with the scores of their targets."""

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ligserve.client import Combine
from ligserve.client.types.tags import Tag, entity_places
from tests.client.labelled_text import Piece, explained

KINDS = st.sampled_from(("PER", "LOC", "MISC"))
# Entities as kind and number of tokens; None is a token outside of all.
TEXTS = st.lists(st.none() | st.tuples(KINDS, st.integers(1, 4)), max_size=8)
Scheme = Callable[[str, int], list[str]]


def iob(kind: str, length: int) -> list[str]:
    return [f"B-{kind}", *[f"I-{kind}"] * (length - 1)]


def framed(first: str, middle: str, last: str, single: str) -> Scheme:
    def labels(kind: str, length: int) -> list[str]:
        if length == 1:
            return [f"{single}-{kind}"]
        return [f"{first}-{kind}", *[f"{middle}-{kind}"] * (length - 2), f"{last}-{kind}"]

    return labels


SCHEMES: dict[str, Scheme] = {
    "IOB": iob,
    "BILOU": framed("B", "I", "L", "U"),
    "BIOES": framed("B", "I", "E", "S"),
    "BMES": framed("B", "M", "E", "S"),
}


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES.keys())
@given(TEXTS)
def test_entities_are_read_back_from_every_scheme(scheme: Scheme, text: list[tuple[str, int] | None]) -> None:
    labels: list[str] = []
    written = []
    for entity in text:
        if entity is None:
            labels.append("O")
            continue
        kind, length = entity
        written.append((kind, list(range(len(labels), len(labels) + length))))
        labels += scheme(kind, length)
    known = {label for kind in ("PER", "LOC", "MISC") for n in (1, 3) for label in scheme(kind, n)}
    tags = [Tag.parse(label, known) for label in labels]
    assert [(tags[places[0]].kind, places) for places in entity_places(tags)] == written


def test_labels_that_only_look_like_tags() -> None:
    assert Tag.parse("E-MAIL", ["O", "E-MAIL"]) == Tag("E-MAIL")
    assert Tag.parse("E-MAIL", ["O", "B-MAIL", "E-MAIL"]) == Tag("MAIL", ends=True)
    assert Tag.parse("I-PER", ["O", "I-PER"]) == Tag("PER")
    assert Tag.parse("B_PER", []) == Tag("PER", begins=True)
    assert Tag.parse("NOUN", ["NOUN", "VERB"]) == Tag("NOUN")
    assert Tag.parse("B-", []) == Tag("B-")


# "Washington" in two pieces, of which the first says LOC; the second is surer, and says nothing.
WASHINGTON = (
    Piece("In", "O", 0.9),
    Piece("Wash", "B-LOC", 0.6),
    Piece("ington", "O", 0.95, glued=True),
    Piece("State", "I-LOC", 0.8),
)


def test_the_first_piece_of_a_word_decides() -> None:
    explanation = explained(WASHINGTON)
    (entity,) = explanation.entities()
    assert (entity.label, entity.text, entity.start, entity.end) == ("LOC", "Washington State", 3, 19)
    assert (entity.tokens, entity.targets) == ((2, 3, 4), (2,))
    assert entity.probability == pytest.approx(0.6)
    assert entity.scores == explanation.targets[2].scores
    words = explanation.labelled_words()
    assert [(word.text, word.label) for word in words] == [
        ("In", "O"),
        ("Washington", "B-LOC"),
        ("State", "I-LOC"),
    ]


def test_the_surest_piece_of_a_word_decides() -> None:
    explanation = explained(WASHINGTON)
    (entity,) = explanation.entities("max")
    assert (entity.text, entity.targets) == ("State", (4,))
    word = explanation.labelled_words("max")[1]
    assert (word.text, word.label, word.targets) == ("Washington", "O", (3,))
    assert word.probability == pytest.approx(0.95)


def test_all_pieces_of_a_word_decide_together() -> None:
    explanation = explained([*WASHINGTON, Piece("side", "I-LOC", 0.5, glued=True)])
    word = explanation.labelled_words(Combine.SUM)[2]
    assert (word.text, word.label, word.targets) == ("Stateside", "I-LOC", (4, 5))
    assert word.probability == pytest.approx(0.65)
    parts = [explanation.targets[target] for target in word.targets]
    assert word.scores == pytest.approx([sum(pair) for pair in zip(*(p.scores for p in parts), strict=True)])
    assert word.f_input - word.f_baseline == pytest.approx(sum(p.f_input - p.f_baseline for p in parts))
    explained_by = explanation.words(word)
    assert [each.text for each in explained_by] == ["In", "Washington", "Stateside"]
    assert explained_by[1].score == pytest.approx(word.scores[2] + word.scores[3])
    assert abs(explanation.top(1, word)[0].score) == max(abs(each.score) for each in explained_by)


def test_a_vote_counts_probability_and_only_those_that_agree_are_added() -> None:
    pieces = (
        Piece("Wash", "B-LOC", 0.6),
        Piece("ing", "O", 0.8, glued=True),
        Piece("ton", "I-LOC", 0.5, glued=True),
    )
    (entity,) = explained(pieces).entities("sum")
    assert (entity.label, entity.text, entity.targets) == ("LOC", "Washington", (1, 3))
    assert entity.probability == pytest.approx(0.55)


def test_tokens_may_count_by_themselves() -> None:
    pieces = (Piece("東", "B-LOC"), Piece("京", "I-LOC", glued=True), Piece("で", "O", glued=True))
    assert [each.text for each in explained(pieces).entities()] == ["東京で"]
    assert [each.text for each in explained(pieces).entities(whole_words=False)] == ["東京"]


def test_neighbours_of_one_kind_stay_apart_where_the_labels_say_so() -> None:
    pieces = (Piece("Ada", "B-PER"), Piece("Bob", "B-PER"), Piece("Paris", "I-LOC"), Piece("Rome", "I-LOC"))
    assert [each.text for each in explained(pieces).entities()] == ["Ada", "Bob", "Paris Rome"]


def test_punctuation_around_a_word_has_labels_of_its_own() -> None:
    pieces = (
        Piece("(", "O"),
        Piece("O", "B-PER", glued=True),
        Piece("'", "I-PER", glued=True),
        Piece("Hara", "I-PER", glued=True),
        Piece("),", "O", glued=True),
        Piece("...", "O"),
    )
    explanation = explained(pieces)
    assert [each.text for each in explanation.labelled_words()] == ["(", "O'Hara", "),", "..."]
    assert [each.text for each in explanation.entities()] == ["O'Hara"]


def test_white_space_is_no_word_but_may_be_a_word_s_first_token() -> None:
    pieces = (
        Piece("", "B-PER"),
        Piece("Zo", "O", glued=True),
        Piece("ë", "O", glued=True),
        Piece(" ", "B-LOC"),
        Piece(" was", "I-PER", glued=True),
        Piece(" ", "B-LOC"),
    )
    explanation = explained(pieces)
    assert [(each.text, each.label) for each in explanation.labelled_words()] == [
        ("Zoë", "B-PER"),
        ("was", "B-LOC"),
    ]
    (zoe, was) = explanation.entities()
    assert [(each.text, each.tokens) for each in (zoe, was)] == [("Zoë", (1, 2, 3)), ("was", (4, 5))]
    assert [each.text for each in explanation.entities(whole_words=False)] == ["was"]


def test_tokens_that_share_a_character_stay_together() -> None:
    # An ellipsis that is read as three full stops, glued to a word.
    shared = [Piece("…", "B-LOC", glued=True), Piece("", "I-LOC", glued=True, back=1)]
    explanation = explained([Piece("so", "O"), *shared, shared[1]])
    assert [each.text for each in explanation.labelled_words()] == ["so", "…"]
    for whole_words in (True, False):
        (entity,) = explanation.entities(whole_words=whole_words)
        assert (entity.text, entity.tokens) == ("…", (2, 3, 4))


def test_what_is_ignored_is_left_out() -> None:
    pieces = (Piece("Ada", "B-PER"), Piece("Love", "I-PER"), Piece("lace", "I-PER", glued=True))
    assert explained(pieces, ignored=(1, 2, 3)).entities() == ()
    (entity,) = explained(pieces, ignored=(1, 2)).entities()
    assert (entity.text, entity.targets) == ("Ada Lovelace", (1,)), "[CLS] has the target before it"
    assert [each.text for each in explained(pieces, ignored=(1,)).labelled_words()] == ["Lovelace"]


def test_a_tokenizer_without_words_has_tokens_for_words() -> None:
    pieces = (Piece("Ada", "B-PER", word=False), Piece("x", "O", glued=True, word=False))
    assert [each.text for each in explained(pieces).labelled_words()] == ["Ada", "x"]


def test_unknown_ways_to_combine_are_refused() -> None:
    with pytest.raises(ValueError, match="combine must be one of first, max, sum"):
        explained(WASHINGTON).entities("mean")
    assert explained(()).entities() == ()


LABELS = st.sampled_from(("O", "B-PER", "I-PER", "B-LOC", "I-LOC", "NOUN"))
PIECES = st.lists(
    st.builds(
        Piece,
        st.sampled_from(("a", "é", "東", ".", "🙂", " ", " b", "")),
        LABELS,
        st.floats(0, 1),
        st.booleans(),
    ),
    max_size=8,
)


@given(PIECES, st.sets(st.integers(0, 9)), st.sampled_from(Combine), st.booleans())
def test_spans_slice_the_text_and_add_up(
    pieces: list[Piece], ignored: set[int], combine: Combine, whole_words: bool
) -> None:
    explanation = explained(pieces, ignored)
    words = explanation.labelled_words(combine)
    entities = explanation.entities(combine, whole_words=whole_words)
    for spans in (words, entities):
        places = [place for span in spans for place in span.tokens]
        assert places == sorted(set(places)), "in order, and none in two spans"
        for span in spans:
            assert span.text == explanation.text[span.start : span.end] == span.text.strip() != ""
            assert {explanation.targets[t].target.token for t in span.targets} <= set(span.tokens) - ignored
            assert len(span.targets) == 1 or combine is Combine.SUM
            total = math.fsum(explanation.targets[target].score_sum for target in span.targets)
            assert sum(span.scores) == pytest.approx(total)
