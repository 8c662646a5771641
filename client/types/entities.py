"""Explanations of words and entities, put together from those of their tokens' labels."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from ligserve.client.types.enums import Combine
from ligserve.client.types.inputs import Prediction, Token
from ligserve.client.types.labelling import (
    Labelled,
    LabelledToken,
    deciding,
    labelled_pieces,
    labelled_tokens,
    labelled_words,
    winner,
)
from ligserve.client.types.tags import entity_places
from ligserve.client.types.targets import TargetExplanation
from ligserve.client.types.words import slice_of


@dataclass(frozen=True, slots=True)
class LabelledSpan:
    """A word or an entity, its label, and how much each token of the input contributed to that.

    Attributes:
        label: a word's label, or an entity's kind: "LOC" for "B-LOC" and "I-LOC".
        text: a slice of the caller's text.
        start: start in the caller's text, in code points.
        end: end (exclusive) in the caller's text, in code points.
        probability: of the deciding token's own label, 0 to 1; the mean where all tokens decide.
        tokens: positions of its tokens.
        targets: positions of the targets that were combined.
        scored: positions of the tokens that scores are for: all tokens of the input, of a long text those of
            the windows that its targets are about.
        scores: one for each of these; they add up to about f_input - f_baseline.
        f_input: sum of those targets' outputs for the input.
        f_baseline: sum of those targets' outputs for the baseline.
    """

    label: str
    text: str
    start: int
    end: int
    probability: float
    tokens: tuple[int, ...]
    targets: tuple[int, ...]
    scored: Sequence[int]
    scores: tuple[float, ...]
    f_input: float
    f_baseline: float


@dataclass(frozen=True, slots=True)
class SpanMaker:
    """Puts spans together.

    Attributes:
        tokens: the tokens of the input.
        predictions: the model's output for each token.
        targets: the targets, each about one token's label.
        texts: the texts that offsets point into.
        places: positions of the tokens that a target has scores for.
        combine: which of a span's tokens decide its label and give their scores.
    """

    tokens: Sequence[Token]
    predictions: Sequence[Prediction]
    targets: Sequence[TargetExplanation]
    texts: Sequence[str]
    places: Callable[[int], Sequence[int]]
    combine: Combine

    def words(self) -> tuple[LabelledSpan, ...]:
        """The words that hold an explained token."""
        words = [(winner(word, self.combine), word) for word in labelled_words(self._tokens(), self.texts)]
        return self._spans((first.label, first.tag.kind, word) for first, word in words)

    def entities(self, whole_words: bool) -> tuple[LabelledSpan, ...]:
        """The entities that hold an explained token; each word has one label where `whole_words` is true."""
        units = list((labelled_words if whole_words else labelled_pieces)(self._tokens(), self.texts))
        tags = [winner(unit, self.combine).tag for unit in units]
        found = ((tags[places[0]].kind, places) for places in entity_places(tags))
        return self._spans((kind, kind, _joined(units, places)) for kind, places in found)

    def _tokens(self) -> tuple[LabelledToken, ...]:
        return labelled_tokens(self.tokens, self.predictions, self.targets)

    def _spans(self, found: Iterable[tuple[str, str, Labelled]]) -> tuple[LabelledSpan, ...]:
        spans = (self._span(label, kind, members) for label, kind, members in found)
        return tuple(span for span in spans if span is not None)

    def _span(self, label: str, kind: str, members: Labelled) -> LabelledSpan | None:
        # Sub-tokens that say something else are outvoted: their targets are about another label.
        agreeing = [each for each in members if each.tag.kind == kind]
        explained = deciding([each for each in agreeing if each.target is not None], self.combine)
        if not explained:
            return None
        places = tuple(each.target for each in explained if each.target is not None)
        targets = [self.targets[place] for place in places]
        sums = self._sums(places)
        part = slice_of([each.token for each in members], self.texts).stripped()
        return LabelledSpan(
            label=label,
            text=part.text,
            start=part.start,
            end=part.end,
            probability=fmean(each.probability for each in deciding(agreeing, self.combine)),
            tokens=tuple(each.token.index for each in members),
            targets=places,
            scored=tuple(sums),
            scores=tuple(map(math.fsum, sums.values())),
            f_input=math.fsum(target.f_input for target in targets),
            f_baseline=math.fsum(target.f_baseline for target in targets),
        )

    def _sums(self, targets: Iterable[int]) -> dict[int, list[float]]:
        """For each token that one of the targets has a score for, in order, these scores."""
        scores: dict[int, list[float]] = {}
        for target in targets:
            for place, score in zip(self.places(target), self.targets[target].scores, strict=True):
                scores.setdefault(place, []).append(score)
        return dict(sorted(scores.items()))


def _joined(units: Sequence[Labelled], places: Iterable[int]) -> Labelled:
    return [each for place in places for each in units[place]]
