"""What one run of the benchmark is given, and the contenders that it starts."""

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contenders.process import ContenderProcess
from benchmarks.contenders.setting import Setting
from benchmarks.models.heads import write_model
from benchmarks.workloads.questions import Kind


@dataclass(frozen=True, slots=True)
class Run:
    """How a run measures.

    Attributes:
        encoder: directory of the sentiment model.
        scratch: where other models are written.
        threads: torch threads of each contender.
        texts: most questions of a workload.
        repetitions: times that each question of a quick workload is asked.
        device: the device that W10 measures on.
    """

    encoder: Path
    scratch: Path
    threads: int
    texts: int
    repetitions: int
    device: str

    def setting(self, kind: Kind, device: str = "cpu") -> Setting:
        """What a contender for a kind of question is told."""
        return Setting(kind, write_model(kind, self.encoder, self.scratch), self.threads, device)


@contextlib.contextmanager
def contenders(names: Iterable[str], setting: Setting) -> Iterator[dict[str, ContenderProcess]]:
    """Contenders of one model, by name; they end with the context."""
    with contextlib.ExitStack() as stack:
        yield {name: stack.enter_context(ContenderProcess(name, setting)) for name in dict.fromkeys(names)}
