"""The rules over windows of a document that move together, as far as memory holds them."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ligserve.server.errors import FieldViolation, InvalidArgumentError
from ligserve.server.workers.explainers.documents.long_input import Cut
from ligserve.server.workers.explainers.options.accuracy import quadrature_rule
from ligserve.server.workers.explainers.options.setting import Setting
from ligserve.server.workers.explainers.plans.explained import Explained
from ligserve.server.workers.explainers.plans.mean_logits import mean_logits
from ligserve.server.workers.quadrature import QuadratureRule
from ligserve.v1 import explanation_pb2 as pb

MEAN_LOGITS = pb.LongInput.Window.AGGREGATE_MEAN_LOGITS
AGGREGATE_FIELD = "options.long_input.window.aggregate"
# Scores of a document, one for each target (or logit, if there are more of them) and each token of every
# window; 4 MiB for each node in memory.
MAX_SCORES = 1 << 19
# Numbers that an adaptive rule keeps, one for each score and node; 512 MiB.
MAX_NUMBERS = 1 << 26


def rule_in_step(setting: Setting, cut: Cut, explained: Sequence[Explained]) -> QuadratureRule | None:
    """The rule for windows that move together; None where each can be explained by itself.

    Args:
        setting: how they are explained.
        cut: the windows.
        explained: the targets, whatever class is predicted.

    Raises:
        InvalidArgumentError: there would be too many scores.
    """
    options = setting.options
    if options.long_input.window.aggregate != MEAN_LOGITS:
        return None
    coupling = mean_logits(explained, setting.model.num_logits)
    if coupling is None:
        return None
    targets, logits = coupling.reach.shape
    each = f"of {targets} targets (or {logits} logits)"
    scores = ScoresInStep([cut], max(targets, logits), each, "targets")
    return rules_for(setting, scores)[0]


@dataclass(frozen=True)
class ScoresInStep:
    """The scores of windows that move together, all of a document's.

    Attributes:
        cuts: the windows; where labels have their own, for each of them.
        number: how many scores there are for each token in the windows.
        each: what there is one score for.
        fewer: what of the request makes that many.
    """

    cuts: Sequence[Cut]
    number: int
    each: str
    fewer: str


def rules_for(setting: Setting, scores: ScoresInStep, rules: int = 1) -> list[QuadratureRule]:
    """So many rules of windows that move together, for scores that memory holds.

    Raises:
        InvalidArgumentError: there would be too many scores.
    """
    spans, tokens = scores.cuts[0].spans, sum(cut.tokens for cut in scores.cuts)
    number = scores.number * tokens
    if number > MAX_SCORES:
        overlap = any(after < end for (_, end), (after, _) in pairwise(spans))
        larger = "a larger stride, " if overlap else ""
        text = (
            f"is MEAN_LOGITS, for which all {len(spans) * len(scores.cuts)} windows move together: {number} "
            f"scores, one for each {scores.each} and each of {tokens} tokens in the windows; at most "
            f"{MAX_SCORES} are given. Ask for {larger}fewer {scores.fewer} or another aggregate"
        )
        raise InvalidArgumentError([FieldViolation(AGGREGATE_FIELD, text)], reason="TOO_MANY_SCORES")
    most, options, convention = MAX_NUMBERS // number, setting.options, setting.convention
    return [quadrature_rule(options, convention, most, paths=rules) for _ in range(rules)]


def outputs_in_step(setting: Setting, explained: Sequence[Explained]) -> int:
    """How many outputs of each window the targets are made of, for windows that move together."""
    coupling = mean_logits(explained, setting.model.num_logits)
    return len(explained) if coupling is None else coupling.reach.shape[1]
