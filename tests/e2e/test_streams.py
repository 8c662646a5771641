"""Streams of the real server: order of events, and the same answer as the unary call."""

import time

import pytest

from benchmarks.texts import LONG, SHORT
from ligserve.client import Client, DeadlineExceededError, SequenceClassification
from ligserve.client.types.events import EstimateEvent, HeaderEvent, ProgressEvent, SummaryEvent

TASK = SequenceClassification(LONG[0])


@pytest.mark.parametrize("options", [{"tolerance": 0.002}, {"n_steps": 20}, {"convention": "library"}])
@pytest.mark.parametrize("text", [SHORT[0], LONG[0]], ids=["short", "long"])
def test_the_streams_last_estimate_is_the_unary_answer_bit_for_bit(
    client: Client, text: str, options: dict[str, object]
) -> None:
    task = SequenceClassification(text, targets=["NEGATIVE", "POSITIVE"])
    unary = client.explain("sentiment", task, **options)  # type: ignore[arg-type]
    with client.stream("sentiment", task, **options) as stream:  # type: ignore[arg-type]
        streamed = stream.result()
    assert len(unary.targets) == 2
    for one, other in zip(unary.targets, streamed.targets, strict=True):
        assert one.scores == other.scores
        assert one.score_errors == other.score_errors
        assert one.error_bound == other.error_bound
        assert one.f_input == other.f_input
        assert one.f_baseline == other.f_baseline
        assert one.points == other.points
    assert unary.tokens == streamed.tokens
    assert unary.prediction == streamed.prediction


def test_events_come_in_order(client: Client) -> None:
    with client.stream("sentiment", TASK, tolerance=0.0005) as stream:
        events = [event for event in stream if not isinstance(event, ProgressEvent)]
    assert isinstance(events[0], HeaderEvent)
    assert isinstance(events[-1], SummaryEvent)
    estimates = events[1:-1]
    assert all(isinstance(event, EstimateEvent) for event in estimates)
    finals = [event.final for event in estimates if isinstance(event, EstimateEvent)]
    assert finals == sorted(finals)
    assert finals[-1]
    rounds = [event.round for event in estimates if isinstance(event, EstimateEvent)]
    assert rounds == sorted(rounds)
    assert len(set(rounds)) > 1, "a long text at this tolerance takes several rounds"


def test_the_first_rounds_estimate_is_not_held_back(client: Client) -> None:
    """The interval is between two estimates, and the next one of this text would come too early."""
    with client.stream("sentiment", TASK, tolerance=0.0005, estimate_interval=60.0) as stream:
        estimates = [event for event in stream if isinstance(event, EstimateEvent)]
    assert {event.round for event in estimates if not event.final} == {1}
    assert estimates[-1].round > 1


def test_early_estimates_state_their_error(client: Client) -> None:
    """Every estimate's bound covers its distance to f(input) - f(baseline)."""
    with client.stream("sentiment", TASK, tolerance=0.0005) as stream:
        events = list(stream)
        explanation = stream.result()
    (target,) = explanation.targets
    change = target.f_input - target.f_baseline
    estimates = [event for event in events if isinstance(event, EstimateEvent)]
    assert len(estimates) > 1
    for estimate in estimates:
        assert abs(sum(estimate.scores) - change) <= estimate.error_bound + 1e-9
    assert estimates[0].error_bound > estimates[-1].error_bound


def test_offsets_slice_the_callers_text_in_both_conventions(client: Client) -> None:
    text = "The  film was great, great!(So)\nfunny 😀 שלום"
    for convention in ("faithful", "library"):
        explanation = client.explain("sentiment", SequenceClassification(text), convention=convention)
        slices = [text[token.start : token.end] for token in explanation.tokens if not token.special]
        assert "".join("".join(slices).split()) == "".join(text.split())
        assert explanation.convention == convention


def test_near_the_deadline_the_best_estimate_goes_out(client: Client) -> None:
    """The deadline is set by this machine's own speed: later than the first round, long before the last."""
    long = SequenceClassification(" ".join([LONG[0]] * 3))
    started = time.monotonic()
    client.explain("sentiment", long, n_steps=7)
    first_round_s = time.monotonic() - started
    explanation = client.explain("sentiment", long, tolerance=1e-6, timeout=2.5 * first_round_s)
    (target,) = explanation.targets
    assert target.stop_reason == "deadline"
    assert abs(target.convergence_delta) <= target.error_bound
    assert target.points >= 9


def test_fixed_steps_that_do_not_fit_the_deadline_fail(client: Client) -> None:
    with pytest.raises(DeadlineExceededError):
        client.explain("sentiment", TASK, n_steps=4096, timeout=2)
    assert client.explain("sentiment", SequenceClassification(SHORT[0])).targets
