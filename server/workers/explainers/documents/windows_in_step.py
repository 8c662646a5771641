"""The rule over all windows of a document that move together, as far as memory holds them."""

from collections.abc import Sequence
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
    scores = max(targets, logits) * cut.tokens
    if scores > MAX_SCORES:
        overlap = any(after < end for (_, end), (after, _) in pairwise(cut.spans))
        larger = "a larger stride, " if overlap else ""
        text = (
            f"is MEAN_LOGITS, for which all {len(cut.spans)} windows move together: {scores} scores, one for "
            f"each of {targets} targets (or {logits} logits) and each of {cut.tokens} tokens in the windows; "
            f"at most {MAX_SCORES} are given. Ask for {larger}fewer targets or another aggregate"
        )
        raise InvalidArgumentError([FieldViolation(AGGREGATE_FIELD, text)], reason="TOO_MANY_SCORES")
    return quadrature_rule(options, setting.convention, MAX_NUMBERS // scores)


def outputs_in_step(setting: Setting, explained: Sequence[Explained]) -> int:
    """How many outputs of each window the targets are made of, for windows that move together."""
    coupling = mean_logits(explained, setting.model.num_logits)
    return len(explained) if coupling is None else coupling.reach.shape[1]
