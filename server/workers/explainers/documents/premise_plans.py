"""Plans of a premise that is explained in windows, each beside every label's hypothesis."""

from collections.abc import Callable, Sequence

from ligserve.server.workers.explainers.documents.aggregates import MAX
from ligserve.server.workers.explainers.documents.long_input import Cut
from ligserve.server.workers.explainers.documents.premise_in_step import (
    PremiseInStep,
    in_step_by_label,
    in_step_of_competition,
)
from ligserve.server.workers.explainers.documents.premise_outcome import (
    Premise,
    outcome_by_label,
    outcome_of_competition,
)
from ligserve.server.workers.explainers.documents.premise_windows import PremisePaths
from ligserve.server.workers.explainers.documents.window_paths import not_asked
from ligserve.server.workers.explainers.options.accuracy import asked_tolerance, window_rule
from ligserve.server.workers.explainers.options.setting import Setting
from ligserve.server.workers.explainers.plans.document_outcome import Outcome, WindowLogits
from ligserve.server.workers.explainers.plans.plan import DocumentPlan, Plan, Together
from ligserve.server.workers.explainers.targets.candidates import Candidates
from ligserve.server.workers.explainers.targets.competing_labels import CompetingLabels
from ligserve.v1 import explanation_service_pb2 as pb


def plan_windows_by_label(
    setting: Setting, cuts: Sequence[Cut], hypotheses: Sequence[str], candidates: Candidates
) -> Plan:
    """Labels that are judged by themselves.

    Args:
        setting: how they are explained.
        cuts: for each label the windows.
        hypotheses: of the labels.
        candidates: what is explained for each label.

    Raises:
        InvalidArgumentError: there would be too many scores of windows that move together.
    """
    premise, warnings = _premise(setting, cuts, hypotheses), candidates.warnings()
    in_step = in_step_by_label(setting, cuts, premise, candidates)
    if in_step is not None:
        return _plan_in_step(setting, cuts, in_step, warnings)
    return _plan(setting, cuts, outcome_by_label(premise, candidates), warnings=warnings)


def plan_windows_of_competition(
    setting: Setting, cuts: Sequence[Cut], hypotheses: Sequence[str], competing: CompetingLabels, field: str
) -> Plan:
    """Labels that compete in every window; arguments as in `plan_windows_by_label`.

    Raises:
        InvalidArgumentError: there would be too many scores; `field` holds the labels.
    """
    premise = _premise(setting, cuts, hypotheses)
    in_step = in_step_of_competition(setting, cuts, premise, competing)
    if in_step is not None:
        return _plan_in_step(setting, cuts, in_step)
    longest = max(end - start for start, end in cuts[0].spans)
    beside = (cut.reader.frame.length + len(cut.reader.texts[1]) for cut in cuts)
    competing.check([longest + length for length in beside], field)
    outcome = outcome_of_competition(premise, competing)
    return _plan(setting, cuts, outcome, together=Together(len(cuts), competing.in_step))


def _plan_in_step(
    setting: Setting, cuts: Sequence[Cut], in_step: PremiseInStep, warnings: Sequence[pb.Warning] = ()
) -> Plan:
    return _plan(setting, cuts, in_step.outcome, warnings=warnings, outputs=in_step.outputs)


def _plan(
    setting: Setting,
    cuts: Sequence[Cut],
    outcome: Callable[[WindowLogits], Outcome],
    together: Together | None = None,
    warnings: Sequence[pb.Warning] = (),
    outputs: int = 1,
) -> Plan:
    options, convention = setting.options, setting.convention
    labels, parts = len(cuts), len(cuts[0].spans)
    shared = together is not None or bool(setting.every_class)
    spans = [span for span in cuts[0].spans for _ in cuts]
    document = DocumentPlan(
        outcome=outcome,
        first_tokens=[start for start, _ in spans],
        token_counts=[end - start for start, end in spans],
        rule=lambda change: window_rule(options, convention, change, shared=shared),
        tolerance=asked_tolerance(options, convention),
        targets=labels,
        # The rows of labels that compete need one backward pass each, too.
        targets_in=None if options.long_input.window.aggregate == MAX else [outputs] * len(spans),
        # Where labels compete each one may win on another part, with all labels' windows there.
        winners=labels if together is None else labels * min(labels, parts),
        together=together,
    )
    return Plan(
        model=setting.model,
        convention=convention,
        paths=PremisePaths(setting, cuts, not_asked),
        outcome=not_asked,
        warnings=[*setting.warnings, *warnings],
        document=document,
    )


def _premise(setting: Setting, cuts: Sequence[Cut], hypotheses: Sequence[str]) -> Premise:
    counts = [end - start for start, end in cuts[0].spans]
    return Premise(hypotheses, setting.options.long_input.window.aggregate, counts)
