"""A premise that does not fit beside every label's hypothesis: the same windows of it beside each."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

from torch import Tensor

from ligserve.server.errors import FieldViolation, InvalidArgumentError
from ligserve.server.workers.explainers.documents.document import Document, read_document
from ligserve.server.workers.explainers.documents.long_input import (
    MAX_WINDOWS,
    Cut,
    long_input_policy,
    longest_row,
    room_beside,
    spans_over,
    whole,
)
from ligserve.server.workers.explainers.documents.window_input import WindowReader
from ligserve.server.workers.explainers.documents.window_paths import LazyPaths
from ligserve.server.workers.explainers.inputs.faithful_text import faithful_row
from ligserve.server.workers.explainers.inputs.frame import library_question_frame, pair_frame
from ligserve.server.workers.explainers.inputs.library_question import library_question_row
from ligserve.server.workers.explainers.inputs.text_input import SourceText, check_length, read_at_once
from ligserve.server.workers.explainers.options.setting import Setting
from ligserve.server.workers.explainers.plans.explained import Explained
from ligserve.server.workers.explainers.plans.plan import PathPlan

# For each hypothesis the same pieces of the premise; None where each row holds all of it.
Cuts = Sequence[Cut] | None


def cut_premise(
    setting: Setting, premise: SourceText, hypotheses: Sequence[SourceText]
) -> Generator[None, None, Cuts]:
    """Cut a premise that does not fit, as the request's policy for long inputs has it.

    Raises:
        InvalidArgumentError: a text cannot be read or has no tokens, a hypothesis leaves no room, or the
            stride is longer than a window.
    """
    model, longest_pair = setting.model, longest_row(setting)
    if not longest_pair:
        return None
    # The library cleans the premise alone, and frames every pair as it frames a question and a context.
    text = yield from read_document(model, premise, library=setting.library)
    others: list[Document] = []
    for hypothesis in hypotheses:
        others.append((yield from read_document(model, hypothesis, library=False)))
    frame, lengths = (library_question_frame if setting.library else pair_frame)(model), [*map(len, others)]
    fits = frame.length + len(text) + max(lengths) <= longest_pair
    if fits and read_at_once(model, premise, *hypotheses):
        return None
    check_length(model, [premise, *hypotheses], 0, [len(text), *lengths])
    make_row = library_question_row if setting.library else faithful_row
    readers = [WindowReader(model, [text, other], 0, frame, make_row, setting.token) for other in others]
    if fits:
        return [whole(reader, premise) for reader in readers]
    longest = hypotheses[lengths.index(max(lengths))]
    capacity = room_beside(setting, frame, max(lengths), longest, premise)
    cut_off = long_input_policy(setting) == "truncate"
    spans = [(0, capacity)] if cut_off else spans_over(setting, text, capacity)
    _check_number(len(spans), hypotheses)
    return [Cut(reader, spans, len(text) - capacity if cut_off else 0, premise) for reader in readers]


def _check_number(parts: int, hypotheses: Sequence[SourceText]) -> None:
    if parts * len(hypotheses) > MAX_WINDOWS:
        field = hypotheses[0].field.partition("[")[0]
        message = (
            f"holds {len(hypotheses)} labels, each with {parts} windows of the text; there may be at most "
            f"{MAX_WINDOWS} windows in all"
        )
        raise InvalidArgumentError([FieldViolation(field, message)], reason="TOO_MANY_WINDOWS")


@dataclass(frozen=True)
class PremisePaths(LazyPaths):
    """The paths over windows of a premise: one for each label, then those of the next window.

    Attributes:
        setting: how they are explained.
        cuts: for each label the windows.
        explained: from a window's logits to what is explained; a document knows before.
    """

    setting: Setting
    cuts: Sequence[Cut]
    explained: Callable[[Tensor], Sequence[Explained]]

    def __len__(self) -> int:
        return len(self.cuts) * len(self.cuts[0].spans)

    def path(self, number: int) -> PathPlan:
        """The path over a window."""
        part, label = divmod(number, len(self.cuts))
        cut = self.cuts[label]
        return self.setting.path(cut.reader.read(*cut.spans[part]), self.explained)
