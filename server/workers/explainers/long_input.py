"""What becomes of a text that may be longer than the model takes: one row, windows, or a cut."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, overload

from torch import Tensor

from ligserve.server.errors import FieldViolation, InvalidArgumentError
from ligserve.server.workers.explainers.accuracy import asked_tolerance, window_rule
from ligserve.server.workers.explainers.document import read_document
from ligserve.server.workers.explainers.faithful_text import faithful_input
from ligserve.server.workers.explainers.library_text import library_input
from ligserve.server.workers.explainers.plan import (
    DocumentPlan,
    DocumentTargets,
    Explained,
    PathPlan,
    Plan,
    Planning,
)
from ligserve.server.workers.explainers.setting import Setting
from ligserve.server.workers.explainers.text_input import SourceText, TextInput
from ligserve.server.workers.explainers.window_input import Frame, WindowReader
from ligserve.server.workers.explainers.windows import default_stride, window_spans
from ligserve.v1 import explanation_service_pb2

MAX_WINDOWS = 1 << 16
STRIDE_FIELD = "options.long_input.window.stride"


class TextTargets(DocumentTargets, Protocol):
    """What is asked of a classifier about a text, long or not."""

    def explained(self, logits: Tensor) -> Sequence[Explained]:
        """What is explained, now that the model's output for the input, (C,), is known."""
        ...

    def outcome(self, logits: Sequence[Tensor]) -> explanation_service_pb2.Header:
        """The prediction that the (C,) logits of the only path make."""
        ...


def plan_text(setting: Setting, source: SourceText, targets: TextTargets) -> Planning:
    """Explain a text as one row if it fits, else as the request's policy for long inputs has it.

    Raises:
        InvalidArgumentError: the text has no tokens, too many, or cannot be read; or the stride is longer
            than a window.
        FailedPreconditionError: the model cannot be explained in this way.
    """
    model, policy = setting.model, long_input_policy(setting)
    if policy == "refuse" or not model.max_tokens:
        return _plain(setting, source, targets)
    frame = Frame.of(model)
    capacity = model.max_tokens - frame.length
    stride = _stride(setting, capacity)
    document = yield from read_document(model, source, library=setting.library)
    if len(document) <= capacity:
        return _plain(setting, source, targets)
    reader = WindowReader(model, document, frame, setting.token, setting.library)
    if policy == "truncate":
        return _truncated(setting, reader.read(0, capacity), targets, len(document) - capacity)
    spans = window_spans(len(document), capacity, stride, document.word_starts)
    if len(spans) > MAX_WINDOWS:
        message = f"is {stride}, which makes {len(spans)} windows; there may be at most {MAX_WINDOWS}"
        raise InvalidArgumentError([FieldViolation(STRIDE_FIELD, message)], reason="TOO_MANY_WINDOWS")
    return _windowed(setting, reader, targets, spans)


def long_input_policy(setting: Setting) -> str:
    """What is asked for, or the convention's default: "refuse", "window" or "truncate"."""
    asked = setting.options.long_input.WhichOneof("policy")
    return asked or ("refuse" if setting.library else "window")


def _stride(setting: Setting, capacity: int) -> int:
    window = setting.options.long_input.window
    if not window.HasField("stride"):
        return default_stride(capacity)
    if window.stride > capacity:
        message = (
            f"is {window.stride}, but a window of model '{setting.model.name}' holds only {capacity} tokens "
            "beside the special ones; longer strides would leave tokens out"
        )
        raise InvalidArgumentError([FieldViolation(STRIDE_FIELD, message)], reason="STRIDE_TOO_LONG")
    return window.stride


def _plain(setting: Setting, source: SourceText, targets: TextTargets) -> Plan:
    read = library_input if setting.library else faithful_input
    text = read(setting.model, source.text, source.field, setting.token)
    return _of_one_row(setting, text, targets, targets.outcome)


def _of_one_row(
    setting: Setting,
    text: TextInput,
    targets: TextTargets,
    outcome: Callable[[Sequence[Tensor]], explanation_service_pb2.Header],
) -> Plan:
    return Plan(
        model=setting.model,
        convention=setting.convention,
        paths=[setting.path(text, targets.explained)],
        outcome=outcome,
        warnings=setting.warnings,
    )


def _truncated(setting: Setting, text: TextInput, targets: TextTargets, lost: int) -> Plan:
    def outcome(logits: Sequence[Tensor]) -> explanation_service_pb2.Header:
        header = targets.outcome(logits)
        header.truncated_tokens = lost
        message = f"the last {lost} tokens of the text were cut off: the model never saw them"
        header.warnings.add(code="TEXT_TRUNCATED", message=message)
        return header

    return _of_one_row(setting, text, targets, outcome)


def _windowed(
    setting: Setting, reader: WindowReader, targets: TextTargets, spans: Sequence[tuple[int, int]]
) -> Plan:
    options, convention = setting.options, setting.convention
    document = DocumentPlan(
        targets=targets,
        aggregate=options.long_input.window.aggregate,
        first_tokens=[start for start, _ in spans],
        token_counts=[end - start for start, end in spans],
        rule=lambda change: window_rule(options, convention, change),
        tolerance=asked_tolerance(options, convention),
    )
    return Plan(
        model=setting.model,
        convention=convention,
        paths=WindowPaths(setting, reader, targets, spans),
        outcome=targets.outcome,
        warnings=setting.warnings,
        document=document,
    )


@dataclass(frozen=True)
class WindowPaths(Sequence[PathPlan]):
    """The paths over windows, each made when it is asked for, so that memory does not hold them all."""

    setting: Setting
    reader: WindowReader
    targets: TextTargets
    spans: Sequence[tuple[int, int]]

    def __len__(self) -> int:
        return len(self.spans)

    @overload
    def __getitem__(self, window: int) -> PathPlan: ...

    @overload
    def __getitem__(self, window: slice) -> Sequence[PathPlan]: ...

    def __getitem__(self, window: int | slice) -> PathPlan | Sequence[PathPlan]:
        if isinstance(window, slice):
            return [self[number] for number in range(*window.indices(len(self)))]
        return self.setting.path(self.reader.read(*self.spans[window]), self.targets.explained)
