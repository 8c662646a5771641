"""The first line on a terminal: what the model answered."""

from typing import TYPE_CHECKING

from rich.text import Text

from ligserve.client.rendering.captions import answer_text
from ligserve.client.rendering.pieces import one_line, printable

if TYPE_CHECKING:
    from ligserve.client.types.explanation import Explanation

# A long text may have thousands.
MOST_ENTITIES = 40


def headline(explanation: "Explanation") -> Text | None:
    """The predicted class, the answer, or the explained entities, and which model says so, if any."""
    found = _found(explanation)
    if not found:
        return None
    source = f"by {printable(explanation.model)}, {explanation.convention} convention"
    return Text("  ").join([*found, Text(source, style="dim")])


def _found(explanation: "Explanation") -> list[Text]:
    answer, prediction = explanation.answer, explanation.prediction
    if answer is not None:
        return [_part("answer", answer_text(answer), answer.probability)]
    if explanation.token_predictions:
        entities = explanation.entities()
        parts = [_part(entity.label, entity.text, entity.probability) for entity in entities[:MOST_ENTITIES]]
        if len(entities) > MOST_ENTITIES:
            parts.append(Text(f"and {len(entities) - MOST_ENTITIES} more", style="dim"))
        return parts or [Text("no explained entity", style="dim")]
    return [] if prediction is None else [_part("predicted", prediction.label, prediction.probability)]


def _part(name: str, value: str, probability: float | None) -> Text:
    text = Text.assemble((f"{printable(name)} ", "dim"), (printable(one_line(value)), "bold"))
    return text if probability is None else text.append(f" {probability:.4f}")
