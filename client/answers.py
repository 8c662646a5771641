"""An explanation, put together from a header, estimates and what they reached."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from ligserve.client.assembly import EstimateAssembly, FinalScores
from ligserve.client.document_scores import document_scores, windows_with_scores
from ligserve.client.types.cost import Cost, Worker
from ligserve.client.types.document import DocumentWindow, incomplete
from ligserve.client.types.enums import StopReason
from ligserve.client.types.events import EstimateEvent, HeaderEvent, SummaryEvent
from ligserve.client.types.explanation import Explanation
from ligserve.client.types.targets import TargetExplanation, TargetSummary


def finished_explanation(
    texts: tuple[str, ...], header: HeaderEvent, assembly: EstimateAssembly, summary: SummaryEvent
) -> Explanation:
    """What a stream that came to its end says.

    Raises:
        MalformedAnswerError: a window's final scores are missing, though the deadline did not end the work.
    """
    for position, reached in enumerate(summary.targets):
        if header.document is None or reached.stop_reason is not StopReason.DEADLINE:
            assembly.check_complete(position)
    return _explanation(texts, header, assembly, summary)


def unfinished_explanation(
    texts: tuple[str, ...], header: HeaderEvent, assembly: EstimateAssembly, left: Sequence[float]
) -> Explanation:
    """What a stream says before its end: the final scores that have come, and noughts for the others.

    Args:
        texts: the caller's texts.
        header: the header.
        assembly: the estimates so far.
        left: for each target how much is unexplained, as the server told it last before all was explained;
            empty: it did not.
    """
    targets = tuple(_so_far(header, assembly, at, left) for at in range(len(header.targets)))
    points = sum(target.points for target in targets)
    summary = SummaryEvent(
        targets=targets,
        cost=Cost(points, 0, 0, 0, 0, 0, 0, 0.0, 0.0),
        worker=Worker("", "", ""),
        versions={},
        warnings=(),
    )
    return replace(_explanation(texts, header, assembly, summary), finished=False)


def _so_far(
    header: HeaderEvent, assembly: EstimateAssembly, target: int, left: Sequence[float]
) -> TargetSummary:
    """What is known of a target; a change that was not told is NaN, and so are the ends."""
    about, missing = assembly.windows(target), assembly.missing(target)
    finals = [final for window in about if (final := assembly.final_of(target, window)) is not None]
    score_sum = math.fsum(score for final in finals for score in final.scores)
    windows = [header.windows[window] for window in about] if header.windows else []
    open_windows = incomplete(windows, missing)
    if any(window.changes for window in windows):
        change = math.fsum(window.change_of(target) for window in windows)
        unexplained = math.fsum(window.change_of(target) for window in open_windows)
    else:
        # Nought may be all that was heard of a target that was explained fast.
        told = target < len(left) and (missing or left[target])
        change = left[target] if told else math.nan
        unexplained = change if missing else 0.0
    return TargetSummary(
        f_input=math.nan,
        f_baseline=math.nan,
        score_sum=score_sum,
        convergence_delta=score_sum - change,
        error_bound=_bound(finals, open_windows) + abs(unexplained),
        score_error_sum=None,
        stop_reason=StopReason.UNSPECIFIED,
        points=sum(final.points for final in finals),
        unexplained=unexplained,
    )


def _bound(finals: Sequence[EstimateEvent], open_windows: Sequence[DocumentWindow]) -> float:
    """How far off the final scores are at most; those on a part of the text that is not explained, by all."""
    halves = {window.index for window in open_windows}
    return sum(
        abs(math.fsum(final.scores)) if final.window in halves else final.error_bound for final in finals
    )


def _explanation(
    texts: tuple[str, ...], header: HeaderEvent, assembly: EstimateAssembly, summary: SummaryEvent
) -> Explanation:
    document = header.document
    return Explanation(
        request_id=header.request_id,
        model=header.model,
        revision=header.revision,
        convention=header.convention,
        texts=texts,
        prediction=header.prediction,
        tokens=header.tokens,
        targets=tuple(_targets(header, assembly, summary)),
        cost=summary.cost,
        worker=summary.worker,
        versions=summary.versions,
        warnings=header.warnings + summary.warnings,
        token_predictions=header.token_predictions,
        answer=header.answer,
        image_shape=header.image_shape,
        hypotheses=header.hypotheses,
        windows=() if document is None else windows_with_scores(document, assembly),
        truncated_tokens=header.truncated_tokens,
        pixel_values=header.pixel_values,
        path_predictions=header.path_predictions,
    )


def _targets(
    header: HeaderEvent, assembly: EstimateAssembly, summary: SummaryEvent
) -> Iterator[TargetExplanation]:
    for position, (target, reached) in enumerate(zip(header.targets, summary.targets, strict=True)):
        final = _scores(header, assembly, position)
        yield TargetExplanation(
            target=target,
            scores=final.scores,
            score_errors=final.score_errors,
            f_input=reached.f_input,
            f_baseline=reached.f_baseline,
            score_sum=reached.score_sum,
            convergence_delta=reached.convergence_delta,
            error_bound=reached.error_bound,
            score_error_sum=reached.score_error_sum,
            stop_reason=reached.stop_reason,
            points=reached.points,
            unexplained=reached.unexplained,
        )


def _scores(header: HeaderEvent, assembly: EstimateAssembly, target: int) -> FinalScores:
    if header.document is not None:
        return document_scores(header.document, assembly, target)
    return assembly.known(target)
