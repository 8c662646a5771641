"""Windows of a premise that move together, since the labels' outputs are those of mean logits."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ligserve.server.workers.explainers.documents.aggregates import MEAN_LOGITS, shares_and_fold
from ligserve.server.workers.explainers.documents.long_input import Cut
from ligserve.server.workers.explainers.documents.premise_outcome import (
    Premise,
    header_by_label,
    header_of_competition,
    stacked,
)
from ligserve.server.workers.explainers.documents.windows_in_step import ScoresInStep, rules_for
from ligserve.server.workers.explainers.options.setting import Setting
from ligserve.server.workers.explainers.plans.document_outcome import InStep, InStepOutcome, WindowLogits
from ligserve.server.workers.explainers.plans.mean_logits import MeanLogits, class_outputs, mean_logits
from ligserve.server.workers.explainers.targets.candidates import Candidates
from ligserve.server.workers.explainers.targets.competing_labels import CompetingLabels


@dataclass(frozen=True)
class PremiseInStep:
    """A document whose windows move together.

    Attributes:
        outcome: from the windows' logits to what is known of the document.
        outputs: how many outputs of each window are followed.
    """

    outcome: Callable[[WindowLogits], InStepOutcome]
    outputs: int


def in_step_by_label(
    setting: Setting, cuts: Sequence[Cut], premise: Premise, candidates: Candidates
) -> PremiseInStep | None:
    """Labels that are judged by themselves: the windows of each one move together.

    None where each window can be explained by itself.

    Raises:
        InvalidArgumentError: there would be too many scores.
    """
    explained = candidates.explained_in_windows()
    first = mean_logits(explained[:1], setting.model.num_logits)
    if premise.aggregate != MEAN_LOGITS or first is None:
        return None
    outputs = len(first.followed)
    scores = ScoresInStep(cuts, outputs, f"of {outputs} of a window's outputs", "labels")
    rules = rules_for(setting, scores, len(cuts))

    def outcome(logits: WindowLogits) -> InStepOutcome:
        shares, fold = shares_and_fold(premise.aggregate, premise.token_counts)
        windows, labels = len(logits.inputs), premise.labels
        ends, starts = (
            fold(stacked(each).reshape(windows // labels, -1)).reshape(labels, -1)
            for each in (logits.ends, logits.starts)
        )
        groups = [
            InStep(
                windows=range(label, windows, labels),
                targets=range(label, label + 1),
                coupling=MeanLogits(class_outputs(explained[label : label + 1]), setting.model.num_logits),
                rule=rule,
            )
            for label, rule in enumerate(rules)
        ]
        return InStepOutcome(
            header=header_by_label(premise, candidates, logits),
            explained=explained,
            shares=np.repeat(shares, labels),
            groups=groups,
            f_input=candidates.values(ends),
            f_baseline=candidates.values(starts),
            told=premise.told,
        )

    return PremiseInStep(outcome, outputs)


def in_step_of_competition(
    setting: Setting, cuts: Sequence[Cut], premise: Premise, competing: CompetingLabels
) -> PremiseInStep | None:
    """Labels that compete: all their windows move together; None where each part can be by itself.

    Raises:
        InvalidArgumentError: there would be too many scores.
    """
    if premise.aggregate != MEAN_LOGITS or competing.is_linear:
        return None
    scores = ScoresInStep(cuts, premise.labels, f"of {premise.labels} labels", "labels")
    (rule,) = rules_for(setting, scores)

    def outcome(logits: WindowLogits) -> InStepOutcome:
        shares, fold = shares_and_fold(premise.aggregate, premise.token_counts)
        f_input, f_baseline = (
            competing.values(fold(premise.by_part(competing.entailed(stacked(each))))[None])[0]
            for each in (logits.ends, logits.starts)
        )
        every = range(len(logits.inputs))
        return InStepOutcome(
            header=header_of_competition(premise, competing, logits),
            explained=competing.explained(),
            shares=np.repeat(shares, premise.labels),
            groups=[InStep(every, range(premise.labels), competing.of_means(), rule)],
            f_input=f_input,
            f_baseline=f_baseline,
            told=premise.told,
        )

    return PremiseInStep(outcome, 1)
