"""Labels of token classifiers taken apart: "B-LOC" begins a LOC, "I-LOC" goes on with it."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

OUTSIDE = "O"
# Prefixes of IOB, BILOU, BIOES and BMES: begin, inside, middle, last, end, unit, single.
_PREFIXED = re.compile(r"([BIMLEUS])([-_])(.+)", re.DOTALL)
_BEGINNING, _ENDING = "BUS", "LEUS"


@dataclass(frozen=True, slots=True)
class Tag:
    """A label, taken apart.

    Attributes:
        kind: what the label says, such as "LOC"; "O" outside of entities.
        begins: whether an entity starts here, also right after one of the same kind.
        ends: whether the entity is over after this.
    """

    kind: str
    begins: bool = False
    ends: bool = False

    @classmethod
    def parse(cls, label: str, labels: Collection[str]) -> "Tag":
        """The tag of a label among the model's labels; a label without prefix goes on with its like."""
        found = _PREFIXED.fullmatch(label)
        if found is None:
            return cls(label)
        prefix, mark, kind = found.groups()
        # Every scheme has B, but for IOB1 with I alone. So "E-MAIL" without "B-MAIL" is a word of its own.
        if prefix not in "BI" and f"B{mark}{kind}" not in labels:
            return cls(label)
        return cls(kind, begins=prefix in _BEGINNING, ends=prefix in _ENDING)


def entity_places(tags: Iterable[Tag]) -> list[list[int]]:
    """For each entity, where its tags stand."""
    entities: list[list[int]] = []
    open_kind: str | None = None
    for place, tag in enumerate(tags):
        if tag.kind == OUTSIDE:
            open_kind = None
            continue
        if tag.begins or tag.kind != open_kind:
            entities.append([])
        entities[-1].append(place)
        open_kind = None if tag.ends else tag.kind
    return entities
