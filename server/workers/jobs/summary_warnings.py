"""What a caller ought to know once the work is done."""

from collections.abc import Iterator, Sequence

from ligserve.server.workers.explainers import Explained
from ligserve.server.workers.models.precision import Precision, precision_name
from ligserve.server.workers.quadrature import BAR
from ligserve.v1 import explanation_pb2
from ligserve.v1 import explanation_service_pb2 as pb

# A baseline that the model already judges as the explained class leaves little to explain.
NEUTRAL_PROBABILITY = 0.8
# Every token may be a target; so many warnings of one kind say enough.
MOST_OF_ONE_KIND = 4


def summary_warnings(
    explained: Sequence[Explained], targets: Sequence[pb.TargetSummary], precision: Precision
) -> list[pb.Warning]:
    """Those of each target, of many a few."""
    return [
        *_a_few(_baselines(explained, targets), "BASELINE_NOT_NEUTRAL", len(targets)),
        *_a_few(_unchanged(explained, targets), "NOTHING_TO_EXPLAIN", len(targets)),
        *_a_few(_floors(explained, targets, precision), "ROUNDING_FLOOR", len(targets)),
    ]


def _a_few(messages: Iterator[str], code: str, targets: int) -> Iterator[pb.Warning]:
    every = list(messages)
    shown, more = every[:MOST_OF_ONE_KIND], len(every) - MOST_OF_ONE_KIND
    if more > 0:
        shown.append(f"so it is for {more} more of the {targets} targets")
    return (pb.Warning(code=code, message=message) for message in shown)


def _baselines(explained: Sequence[Explained], targets: Sequence[pb.TargetSummary]) -> Iterator[str]:
    """One for each target whose baseline is already judged as the class that is explained."""
    for each, reached in zip(explained, targets, strict=True):
        space, versus = each.target.output_space, each.target.HasField("versus_index")
        probability = space == explanation_pb2.OUTPUT_SPACE_PROBABILITY and not versus
        if probability and reached.f_baseline > NEUTRAL_PROBABILITY:
            yield (
                f"the baseline alone has probability {reached.f_baseline:.2f} for {each.about}; "
                "scores explain only the rest, another baseline may say more"
            )


def _unchanged(explained: Sequence[Explained], targets: Sequence[pb.TargetSummary]) -> Iterator[str]:
    """One for each target that is the same at the baseline and at the input."""
    for each, reached in zip(explained, targets, strict=True):
        if _is_unchanged(reached):
            less = (
                f"but for rounding ({reached.error_bound:.2g} at most)" if reached.error_bound else "at all"
            )
            yield (
                f"the output for {each.about} does not change {less} from the baseline to the input: "
                "there is nothing to explain, another baseline may say more"
            )


def _is_unchanged(reached: pb.TargetSummary) -> bool:
    """Whether every score is 0, as far as is known, and the output moves no further than rounding may."""
    still = reached.score_sum == 0 and abs(reached.f_input - reached.f_baseline) <= reached.error_bound
    return reached.HasField("error_bound") and still and reached.score_error_sum == 0


def _floors(
    explained: Sequence[Explained], targets: Sequence[pb.TargetSummary], precision: Precision
) -> Iterator[str]:
    """One for each target that rounding keeps from its tolerance, with the errors that remain."""
    for each, reached in zip(explained, targets, strict=True):
        if reached.stop_reason == pb.STOP_REASON_NOISE_FLOOR and not _is_unchanged(reached):
            yield (
                f"{precision_name(precision)} rounds too much for the tolerance asked for: the scores of "
                f"{each.about} may be off by {reached.score_error_sum / BAR:.2g} in all (estimated), their "
                f"sum by {reached.error_bound:.2g} (certified), where the output changes by "
                f"{reached.f_input - reached.f_baseline:.2g}"
            )
