"""Inputs that are their own baselines, and outputs that do not change."""

from typing import Any

import pytest

from ligserve.client import Client, EstimateEvent, Explanation, SequenceClassification

STILL = SequenceClassification("[PAD] [PAD]", targets=[0, 1])


def check_still(explanation: Explanation, reason: str = "tolerance") -> None:
    for target in explanation.targets:
        assert not any(target.scores)
        assert target.f_input == target.f_baseline
        assert target.error_bound == target.convergence_delta == 0
        assert target.stop_reason == reason
    assert explanation.cost.points == explanation.cost.gradients // len(explanation.targets) == 1


@pytest.mark.parametrize(
    "options", [{}, {"convention": "library", "tolerance": 0.01}, {"output_space": "logit"}]
)
def test_a_text_of_padding_takes_one_point(client: Client, options: dict[str, Any]) -> None:
    explanation = client.explain("bert", STILL, **options)
    check_still(explanation)
    codes = {warning.code for warning in explanation.warnings}
    assert "ROUNDING_FLOOR" not in codes
    assert "NOTHING_TO_EXPLAIN" in codes


def test_fixed_steps_over_nothing_take_one_point(client: Client) -> None:
    check_still(client.explain("bert", STILL, n_steps=50), "steps")


def test_previews_of_nothing_are_told(client: Client) -> None:
    with client.stream("bert", STILL, preview=True) as stream:
        previews = [event for event in stream if isinstance(event, EstimateEvent) and event.preview]
        check_still(stream.result())
    assert len(previews) == 2
    assert not any(score for preview in previews for score in preview.scores)


def test_an_output_that_does_not_change_is_not_blamed_on_rounding(client: Client) -> None:
    """The embedding of padding is zero, but that is only known once it is integrated."""
    explanation = client.explain("bert", STILL, baseline="zero_embedding")
    for target in explanation.targets:
        assert not any(target.scores)
        assert 0 < target.error_bound < 1e-5
    codes = {warning.code for warning in explanation.warnings}
    assert "ROUNDING_FLOOR" not in codes
    assert "NOTHING_TO_EXPLAIN" in codes
