"""What each explainer does on each architecture: tried over a real wire, and beside the library."""

import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from ligserve.client import Client, Convention, Explanation
from tests.matrix.column import Column, Question, Scores
from tests.parity.library import TOLERANCE

# What is asked of the adaptive rule, relative to max(|df|, sum |scores|).
RELATIVE_TOLERANCE = 0.01


@dataclass(frozen=True)
class Cell:
    """One explainer on one architecture.

    Attributes:
        differs: in what the FAITHFUL answer differs from the library's; empty: in nothing, or the library
            has none.
        refused: why LIBRARY is refused; empty: it is served, and equals the library.
        failure: what the library itself does where LIBRARY is refused.
    """

    differs: tuple[str, ...]
    refused: str
    failure: str


@dataclass(frozen=True)
class Trial:
    """A question to a served model; raises AssertionError where an answer is wrong.

    Attributes:
        client: of a server that serves the model as `served`.
        served: the model's name there.
        directory: the model's files.
        column: the explainer.
    """

    client: Client
    served: str
    directory: Path
    column: Column

    def cell(self) -> Cell:
        """Ask in both conventions, and ask the library."""
        for question in self.column.questions:
            self._check_faithful(question)
        refused = self._refusal()
        if refused:
            assert self._failure, f"{self.served}: LIBRARY is refused ({refused}), but the library answers"
            self._check_answered_faithfully()
            return Cell((), refused, self._failure)
        assert not self._failure, f"{self.served}: LIBRARY is served, but the library: {self._failure}"
        self._check_equal()
        others = (self.column.output,) if self.column.output else ()
        return Cell((*others, *self.column.differing(self.directory, self.column.questions[0].task)), "", "")

    def _check_faithful(self, question: Question) -> None:
        """The plain model's probabilities, and scores that add up to what they explain."""
        # Log-odds, since random weights may be so sure that no probability is left to explain.
        answer = self.client.explain(
            self.served, question.task, tolerance=RELATIVE_TOLERANCE, output_space="log_odds"
        )
        assert answer.convention is Convention.FAITHFUL
        found = torch.tensor(question.found(answer), dtype=torch.float64)
        expected = question.probabilities(self.directory).double()
        apart = float((found - expected).abs().max())
        assert apart <= question.tolerance, f"probabilities are {apart:.1e} apart"
        assert_adds_up(answer)

    def _refusal(self) -> str:
        support = {each.explainer: each for each in self.client.model(self.served).explainers}
        mine = support[self.column.explainer]
        assert Convention.FAITHFUL in mine.conventions, mine.refusals
        if Convention.LIBRARY in mine.conventions:
            return ""
        (said,) = (text for text in mine.refusals if text.startswith("LIBRARY: "))
        return said.removeprefix("LIBRARY: ")

    @cached_property
    def _library(self) -> Scores | str:
        """What the library gives, or how it fails."""
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                scores = self.column.scores(self.column.library(self.directory)(*self.column.arguments))
        except Exception as error:  # whatever it raises
            return type(error).__name__
        if not np.isfinite([score for each in scores for _, score in each]).all():
            return "NaN"
        return self.column.nonsense(scores) or scores

    @property
    def _failure(self) -> str:
        return self._library if isinstance(self._library, str) else ""

    def _check_equal(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            ours = self.column.scores(self.column.drop_in(self.client, self.served)(*self.column.arguments))
        assert not isinstance(self._library, str)
        assert [[token for token, _ in each] for each in ours] == [
            [token for token, _ in each] for each in self._library
        ]
        for mine, theirs in zip(ours, self._library, strict=True):
            difference = np.array([s for _, s in mine]) - np.array([s for _, s in theirs])
            assert np.abs(difference).max() <= TOLERANCE

    def _check_answered_faithfully(self) -> None:
        """The drop-in answers all the same, and says in which convention."""
        explainer = self.column.drop_in(self.client, self.served)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            scores = self.column.scores(explainer(*self.column.arguments))
        assert any("faithful convention" in str(warning.message) for warning in caught)
        assert explainer.explanation.convention is Convention.FAITHFUL
        assert np.isfinite([score for each in scores for _, score in each]).all()


def assert_adds_up(answer: Explanation) -> None:
    """Every target's scores add up to f(input) - f(baseline), as exactly as was asked."""
    for target in answer.targets:
        change = target.f_input - target.f_baseline
        scale = max(abs(change), sum(map(abs, target.scores)))
        assert scale > 1e-3, "nothing is explained"
        assert abs(sum(target.scores) - change) <= target.error_bound
        noise = 1e-5 * max(1.0, abs(target.f_input), abs(target.f_baseline))
        assert target.error_bound <= max(RELATIVE_TOLERANCE * scale * (1 + 1e-6), noise)
