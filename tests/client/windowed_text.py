"""Explanations of a class of a text that a test cuts into windows itself; words are tokens."""

from collections.abc import Sequence

from ligserve.v1 import explanation_service_pb2 as service_pb
from tests.client.labelled_windows import Messages, columns
from tests.client.scripted_answer import LABELS, PROBABILITY, tokens_of

# Start and end of a window's words.
Span = tuple[int, int]
CLASS = 1


def messages(words: Sequence[str], spans: Sequence[Span], only: int | None = None) -> Messages:
    """The stream about a text of these words; with `only` one window alone is explained.

    A word's score is its place + 1 in a thousand in every window that it is in; a special token's is nought.
    """
    header = _header(words, spans, only)
    explained = range(len(spans)) if only is None else range(only, only + 1)
    finals = [_final(window, *spans[window]) for window in explained]
    change = sum(_change(*spans[window]) for window in explained)
    reached = service_pb.TargetSummary(
        f_input=PROBABILITY,
        f_baseline=PROBABILITY - change,
        score_sum=change,
        convergence_delta=0.0,
        error_bound=1e-4,
        stop_reason=service_pb.STOP_REASON_TOLERANCE,
    )
    return [
        service_pb.StreamExplainResponse(header=header),
        *finals,
        service_pb.StreamExplainResponse(summary=service_pb.Summary(targets=[reached])),
    ]


def _header(words: Sequence[str], spans: Sequence[Span], only: int | None) -> service_pb.Header:
    whole = tokens_of(" ".join(words))
    prediction = service_pb.Prediction(
        labels=LABELS,
        probabilities=[1 - PROBABILITY, PROBABILITY],
        logits=[0.0, 1.0],
        predicted_index=CLASS,
        predicted_label=LABELS[CLASS],
    )
    header = service_pb.Header(
        request_id="from-the-server", model="sentiment", prediction=prediction, window_count=len(spans)
    )
    header.targets.add(class_index=CLASS, class_label=LABELS[CLASS], window=only)
    for number, (start, end) in enumerate(spans):
        window = header.windows.add(index=number, share=1 / len(spans), first_token=start)
        window.tokens.CopyFrom(columns(whole, [0, *range(start + 1, end + 1), len(whole.ids) - 1]))
        if only in (None, number):
            window.changes.append(_change(start, end))
    return header


def _change(start: int, end: int) -> float:
    return sum(place + 1 for place in range(start, end)) / 1000


def _final(window: int, start: int, end: int) -> service_pb.StreamExplainResponse:
    scores = [0.0, *((place + 1) / 1000 for place in range(start, end)), 0.0]
    return service_pb.StreamExplainResponse(
        estimate=service_pb.Estimate(
            window=window, scores=scores, error_bound=1e-5, points=5, round=1, final=True
        )
    )
