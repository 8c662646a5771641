"""What a contender is told when it starts."""

from dataclasses import dataclass
from pathlib import Path

from benchmarks.workloads.questions import Kind


@dataclass(frozen=True, slots=True)
class Setting:
    """A model and a machine.

    Attributes:
        kind: what the model is asked.
        model: its directory.
        threads: torch threads (of each worker).
        device: as torch names it, such as "cpu" or "cuda:0".
    """

    kind: Kind
    model: Path
    threads: int
    device: str = "cpu"
