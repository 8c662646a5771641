"""Tokens with their predicted labels, and which of them decide for a word."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ligserve.client.types.enums import Combine
from ligserve.client.types.inputs import Prediction, Token
from ligserve.client.types.tags import Tag
from ligserve.client.types.targets import TargetExplanation
from ligserve.client.types.words import word_places

# What a token looks like, in one letter; a word without the punctuation around it.
_BLANK, _LETTERED, _PUNCTUATION = " ", "x", "."
_CORE = re.compile(" *x(?:.*x)? *")


@dataclass(frozen=True, slots=True)
class LabelledToken:
    """A token with its predicted label.

    Attributes:
        token: the token.
        label: the label.
        tag: the label, taken apart.
        probability: of the label, 0 to 1.
        target: position of the target that explains it; None: it is not explained.
    """

    token: Token
    label: str
    tag: Tag
    probability: float
    target: int | None


Labelled = Sequence[LabelledToken]


def labelled_tokens(
    tokens: Sequence[Token], predictions: Sequence[Prediction], targets: Sequence[TargetExplanation]
) -> tuple[LabelledToken, ...]:
    """The tokens that have a prediction, special ones left out."""
    places = {target.target.token: place for place, target in enumerate(targets)}
    return tuple(
        LabelledToken(
            token=token,
            label=prediction.label,
            tag=Tag.parse(prediction.label, prediction.labels),
            probability=prediction.probability or 0.0,
            target=places.get(token.index),
        )
        for token, prediction in zip(tokens, predictions, strict=False)
        if not token.special
    )


def labelled_words(labelled: Labelled, texts: Sequence[str]) -> Iterator[Labelled]:
    """The tokens word by word; white space that is a token of its own is no word."""
    for places in word_places(each.token for each in labelled):
        yield from _seen(_without_edges([labelled[place] for place in places], texts), texts)


def labelled_pieces(labelled: Labelled, texts: Sequence[str]) -> Iterator[Labelled]:
    """The tokens one by one, white space left out; those of one character (bytes of an emoji) together."""
    return _seen(_apart(labelled), texts)


def _seen(units: Iterable[Labelled], texts: Sequence[str]) -> Iterator[Labelled]:
    return (unit for unit in units if any(_shape(each.token, texts) != _BLANK for each in unit))


def _apart(labelled: Labelled) -> list[list[LabelledToken]]:
    units: list[list[LabelledToken]] = []
    for each in labelled:
        if units and each.token.start < units[-1][-1].token.end:
            units[-1].append(each)
        else:
            units.append([each])
    return units


def _without_edges(word: Labelled, texts: Sequence[str]) -> Iterator[Labelled]:
    # Some tokenizers have "(London)," as one word; its labels are those of three. A token of mere white
    # space before a word is that word's first one.
    core = _CORE.search("".join(_shape(each.token, texts) for each in word))
    first, last = core.span() if core else (0, len(word))
    yield from _apart(word[:first])
    yield word[first:last]
    yield from _apart(word[last:])


def _shape(token: Token, texts: Sequence[str]) -> str:
    text = texts[token.segment][token.start : token.end].strip() if token.segment < len(texts) else ""
    if not text:
        return _BLANK
    return _LETTERED if any(map(str.isalnum, text)) else _PUNCTUATION


def deciding(labelled: Labelled, combine: Combine) -> Labelled:
    """The tokens that decide for all of them."""
    match combine:
        case Combine.FIRST:
            return labelled[:1]
        case Combine.MAX:
            return sorted(labelled, key=lambda each: -each.probability)[:1]
        case Combine.SUM:
            return labelled


def winner(labelled: Labelled, combine: Combine) -> LabelledToken:
    """The token whose label stands for all of them: the first one of the kind that is decided for."""
    votes: dict[str, float] = {}
    for each in deciding(labelled, combine):
        votes[each.tag.kind] = votes.get(each.tag.kind, 0.0) + each.probability
    kind = max(votes, key=votes.__getitem__)
    return next(each for each in labelled if each.tag.kind == kind)
