"""Explanations as plain data: dicts that JSON can carry, and rows of a table."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from ligserve.client.types.plain import to_plain
from ligserve.client.types.targets import target_names

if TYPE_CHECKING:
    from ligserve.client.types.explanation import Explanation


def plain_explanation(explanation: "Explanation") -> dict[str, object]:
    """Everything in an explanation, with what follows from it: words, patches, normalised scores."""
    plain = {name: to_plain(getattr(explanation, name)) for name in explanation.__slots__}
    plain["targets"] = [_plain_target(explanation, position) for position in range(len(explanation.targets))]
    plain["entities"] = to_plain(explanation.entities())
    return plain


def records(explanation: "Explanation") -> list[dict[str, object]]:
    """One row per target and token, or patch of an image."""
    names = target_names(explanation.targets)
    if explanation.image_shape is not None:
        return [
            {"target": names[position], **asdict(patch)}
            for position in range(len(explanation.targets))
            for patch in explanation.patches(position)
        ]
    return [
        {
            "target": names[position],
            **{name: getattr(token, name) for name in token.__slots__},
            "score": score,
            "normalised_score": share,
        }
        for position, target in enumerate(explanation.targets)
        for token, score, share in zip(
            explanation.tokens_of(position), target.scores, target.normalised_scores, strict=True
        )
    ]


def _plain_target(explanation: "Explanation", position: int) -> dict[str, object]:
    target = explanation.targets[position]
    plain = {name: to_plain(getattr(target, name)) for name in target.__slots__}
    plain["normalised_scores"] = to_plain(target.normalised_scores)
    if explanation.image_shape is None:
        plain["words"] = to_plain(explanation.words(position))
    else:
        plain["patches"] = to_plain(explanation.patches(position))
    return plain
