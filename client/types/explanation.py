"""A finished explanation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ligserve.client.types.cost import Cost, Worker
from ligserve.client.types.document import DocumentWindow, places_of
from ligserve.client.types.entities import LabelledSpan, SpanMaker
from ligserve.client.types.enums import AnswerEnd, Combine, Convention, Level, choice
from ligserve.client.types.image_scores import ImageScores
from ligserve.client.types.inputs import Answer, ImageShape, Prediction, ServerWarning, Token
from ligserve.client.types.passages import parts_of
from ligserve.client.types.records import plain_explanation, records
from ligserve.client.types.shown import Shown
from ligserve.client.types.targets import TargetExplanation
from ligserve.client.types.words import Word, with_own_segments

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True, slots=True)
class Explanation(ImageScores, Shown):
    """How much each token contributed to a prediction.

    Attributes:
        request_id: identifier of the request, the same in the server's log.
        model: name of the model.
        revision: the checkpoint.
        convention: whose habits the answer follows.
        texts: the caller's texts, which offsets point into.
        prediction: the model's output; None for question answering and token classification.
        tokens: the tokens, special ones included; of the labels of zero-shot classification one after the
            other. Of a long text every token stands once, whatever the number of windows that it is in.
        targets: one explanation per target, with one score for each token of `tokens_of` it.
        cost: what the answer cost.
        worker: the worker that computed it.
        versions: versions of the software that computed it, by package name.
        warnings: what the caller ought to know.
        token_predictions: the output for each token, for token classification; each target is about one
            token's label, and `labelled_words` and `entities` put them together.
        answer: the answer, for question answering; the targets are about its start and its end.
        image_shape: the shape of the scores, for image classification.
        hypotheses: for zero-shot classification, the second text of each label's window (or windows).
        windows: the windows of a long text, each with its own scores; a token's score is their sum.
        truncated_tokens: how many tokens were cut off the end of the text, where that was asked for.
        pixel_values: for image classification, what the model sees, one for each score; empty where it was
            not asked for.
        path_predictions: the output for each token at the path's end, where that is another than that of
            `token_predictions` (positions that transformers-interpret counts in its own way); else empty.
        finished: false for what a stream's `so_far` gives before the end: versions, worker, cost (but for
            points) and the ends of the change are not known then, and scores that are not final are 0.
    """

    request_id: str
    model: str
    revision: str
    convention: Convention
    texts: tuple[str, ...]
    prediction: Prediction | None
    tokens: tuple[Token, ...]
    targets: tuple[TargetExplanation, ...]
    cost: Cost
    worker: Worker
    versions: Mapping[str, str]
    warnings: tuple[ServerWarning, ...]
    token_predictions: Sequence[Prediction] = ()
    answer: Answer | None = None
    image_shape: ImageShape | None = None
    hypotheses: tuple[str, ...] = ()
    windows: tuple[DocumentWindow, ...] = ()
    truncated_tokens: int = 0
    pixel_values: tuple[float, ...] = field(default=(), repr=False)
    path_predictions: Sequence[Prediction] = ()
    finished: bool = True

    @property
    def text(self) -> str:
        """The first (or only) text; empty for an image."""
        return self.texts[0] if self.texts else ""

    def tokens_of(self, target: int = 0) -> tuple[Token, ...]:
        """The tokens that a target has scores for: all, or those of the windows that it is about.

        Where the labels of zero-shot classification compete, each hypothesis has a segment of its own.

        Raises:
            IndexError: there is no such target.
        """
        about, tokens = self.targets[target].target, self.tokens
        if about.windows is not None:
            tokens = tuple(tokens[place] for each in about.windows for place in self.places_of(each))
        elif about.candidate is not None:
            return tokens[slice(*self.windows[about.candidate].row)]
        compete = self.hypotheses and (about.windows is None or about.window_count > 1)
        return with_own_segments(tokens) if compete else tokens

    def places_of(self, window: int) -> tuple[int, ...]:
        """Positions in `tokens` of a window's tokens, special ones included.

        Raises:
            IndexError: a long text has no such window.
        """
        if self.windows:
            return places_of(self.windows[window], self.tokens)
        return tuple(place for place, token in enumerate(self.tokens) if token.window == window)

    def token_target(self, token: int) -> int:
        """Position of the target about a token's label, for token classification.

        Raises:
            LookupError: there is none, as for a token that was ignored.
        """
        found = [place for place, t in enumerate(self.targets) if t.target.token == token]
        if not found:
            raise LookupError(f"no target is about token {token}")
        return found[0]

    def answer_target(self, end: AnswerEnd | str) -> int:
        """Position of the target about the answer's "start" or "end", for question answering.

        Raises:
            LookupError: there is none.
            ValueError: it is not an end of an answer.
        """
        wanted = choice(AnswerEnd, end, "end")
        found = [place for place, t in enumerate(self.targets) if t.target.answer_end is wanted]
        if wanted is AnswerEnd.UNSPECIFIED or not found:
            raise LookupError(f"no target is about the answer's {wanted}")
        return found[0]

    @property
    def answer_tokens(self) -> tuple[Token, ...]:
        """The tokens of the answer; none where there is no answer, or its end comes before its start."""
        if self.answer is None:
            return ()
        answer = range(self.answer.first_token, self.answer.last_token + 1)
        return tuple(self.tokens[place] for place in self.places_of(self.answer.window) if place in answer)

    def texts_of(self, target: int = 0) -> tuple[str, ...]:
        """The texts that the offsets of a target's tokens point into, by segment.

        Raises:
            IndexError: there is no such target.
        """
        about = self.targets[target].target
        own = about.window if about.candidate is None else about.candidate
        some = slice(None) if own is None or about.window_count > 1 else slice(own, own + 1)
        return self.texts + self.hypotheses[some]

    def words(self, target: int | LabelledSpan = 0) -> tuple[Word, ...]:
        """The words of the texts in order, each with the sum of its tokens' scores for a target.

        The target may be a labelled word or an entity too: why it has its label.

        Raises:
            IndexError: there is no such target.
        """
        return self.parts(Level.WORD, target)

    def sentences(self, target: int | LabelledSpan = 0) -> tuple[Word, ...]:
        """The sentences of the texts, as `words`."""
        return self.parts(Level.SENTENCE, target)

    def paragraphs(self, target: int | LabelledSpan = 0) -> tuple[Word, ...]:
        """The paragraphs of the texts (blank lines are between them), as `words`."""
        return self.parts(Level.PARAGRAPH, target)

    def parts(self, level: Level | str, target: int | LabelledSpan = 0) -> tuple[Word, ...]:
        """The parts of the texts, as `words`: "token", "word", "sentence" or "paragraph".

        Raises:
            IndexError: there is no such target.
            ValueError: there is no such level.
        """
        chosen = choice(Level, level, "level")
        if isinstance(target, LabelledSpan):
            tokens = [self.tokens[place] for place in target.scored]
            return parts_of(chosen, tokens, target.scores, self.texts)
        scores = self.targets[target].scores
        return parts_of(chosen, self.tokens_of(target), scores, self.texts_of(target))

    def top(self, k: int = 10, target: int | LabelledSpan = 0, *, level: str = "word") -> tuple[Word, ...]:
        """The k words (or other `parts`) that contribute most, for or against a target, strongest first.

        Raises:
            IndexError: there is no such target.
            ValueError: k is below 0, or there is no such level.
        """
        if k < 0:
            raise ValueError(f"k must be a number of words from 0, is {k}")
        return tuple(sorted(self.parts(level, target), key=lambda part: -abs(part.score))[:k])

    def labelled_words(self, combine: Combine | str = Combine.FIRST) -> tuple[LabelledSpan, ...]:
        """For token classification, the words with an explained token, each with one label and its scores.

        Args:
            combine: which sub-tokens decide the label and give the scores: the "first" one, the one with
                the most probable label ("max"), or all of them, whose scores are added ("sum").

        Raises:
            ValueError: it is none of these.
        """
        return self._spans(combine).words()

    def entities(
        self, combine: Combine | str = Combine.FIRST, *, whole_words: bool = True
    ) -> tuple[LabelledSpan, ...]:
        """For token classification, the entities with an explained token: tokens that are labelled together.

        Labels may be IOB, BILOU, BIOES, BMES, or without prefix (neighbours of one label are one entity).

        Args:
            combine: which tokens decide the label of a word, and give the scores of an entity; as in
                `labelled_words`.
            whole_words: label words before they are joined; false: each token by itself, for writing
                without spaces, where a whole sentence may count as one word.

        Raises:
            ValueError: combine is none of its words.
        """
        return self._spans(combine).entities(whole_words)

    def to_dict(self) -> dict[str, object]:
        """Everything as a dict that JSON can carry, with normalised scores, and words or patches."""
        return plain_explanation(self)

    def to_dataframe(self) -> "DataFrame":
        """One row per target and token, or patch of an image, as a pandas DataFrame.

        Raises:
            ImportError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise ImportError("to_dataframe() needs pandas: pip install pandas") from error
        return pandas.DataFrame(records(self))

    def _spans(self, combine: Combine | str) -> SpanMaker:
        how = choice(Combine, combine, "combine")
        predictions = self.token_predictions
        return SpanMaker(self.tokens, predictions, self.targets, self.texts, self._scored, how)

    def _scored(self, target: int) -> Sequence[int]:
        """Positions of the tokens that a target has scores for."""
        window = self.targets[target].target.window
        return range(len(self.tokens)) if window is None else self.places_of(window)
