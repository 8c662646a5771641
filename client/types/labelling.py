"""Tokens with their predicted labels, and which of them decide for a word."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ligserve.client.types.enums import Combine
from ligserve.client.types.inputs import Prediction, Token
from ligserve.client.types.tags import Tag
from ligserve.client.types.targets import TargetExplanation
from ligserve.client.types.words import slice_of, word_places


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
    """The tokens word by word."""
    for places in word_places(each.token for each in labelled):
        yield from _without_edges([labelled[place] for place in places], texts)


def _without_edges(word: Labelled, texts: Sequence[str]) -> Iterator[Labelled]:
    # Some tokenizers have "(London)," as one word; its labels are those of three.
    lettered = [i for i, each in enumerate(word) if any(map(str.isalnum, slice_of([each.token], texts).text))]
    first, last = (lettered[0], lettered[-1]) if lettered else (0, len(word) - 1)
    yield from ((each,) for each in word[:first])
    yield word[first : last + 1]
    yield from ((each,) for each in word[last + 1 :])


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
