"""Documents in a worker: their windows add up, the certificate holds, and work stops when it should."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from ligserve.internal.v1.frames_pb2 import RunJob, WorkerFrame
from ligserve.server.large_messages import merge_header
from ligserve.server.workers.engine.embedding_path import EmbeddingPathSpec
from ligserve.server.workers.engine.engine import Engine
from ligserve.server.workers.explainers import PLANNERS, Plan
from ligserve.server.workers.explainers.documents.window_input import WindowReader
from ligserve.server.workers.explainers.documents.window_paths import WindowPaths
from ligserve.server.workers.explainers.inputs.text_input import TextInput
from ligserve.server.workers.explainers.plans.document_outcome import DocumentOutcome, WindowLogits
from ligserve.server.workers.identity import WorkerIdentity
from ligserve.server.workers.jobs import part
from ligserve.server.workers.jobs.assignment import Assignment
from ligserve.server.workers.jobs.document_job import DocumentJob
from ligserve.server.workers.jobs.job_channel import JobChannel
from ligserve.server.workers.models.loaded import RowInputs, TextModel
from ligserve.server.workers.quadrature import QuadratureRule
from ligserve.v1 import explanation_pb2 as pb
from ligserve.v1 import explanation_service_pb2 as service_pb
from tests.workers.conftest import LoadZoo
from tests.zoo.corpus import SENTENCES

WINDOW = pb.LongInput.Window
TEXT = " ".join(SENTENCES * 3)
# (architecture, convention): tokenizers of each kind, token types, positions by padding id.
FAITHFUL, LIBRARY = pb.CONVENTION_FAITHFUL, pb.CONVENTION_LIBRARY
MODELS = [
    ("bert", FAITHFUL),
    ("bert", LIBRARY),
    ("roberta", FAITHFUL),
    ("gpt2", FAITHFUL),
    ("deberta-v2", FAITHFUL),
    ("modernbert", FAITHFUL),
]


@dataclass
class Front:
    """Takes a job's frames, and may do something at each event."""

    at: Callable[["Front", service_pb.StreamExplainResponse], None] = lambda front, event: None
    events: list[service_pb.StreamExplainResponse] = field(default_factory=list)
    failure: Any = None
    job: DocumentJob | None = None

    def __post_init__(self) -> None:
        self._ended = threading.Event()

    def send(self, frame: WorkerFrame) -> None:
        if frame.HasField("ended"):
            self.failure = frame.ended.failure if frame.ended.HasField("failure") else None
            self._ended.set()
            return
        self.events.append(frame.event.event)
        self.at(self, frame.event.event)

    def run(
        self,
        plan: Plan,
        engine: Engine,
        *,
        explaining_s: Callable[[float], float] = lambda _: 0.0,
        **order: Any,
    ) -> "Front":
        run = RunJob(job_id=1, **order)
        channel = JobChannel(run, self.send, lambda job_id: None)
        identity = WorkerIdentity("worker-0", "cpu")
        assignment = Assignment(run, plan, identity, channel, time.monotonic(), explaining_s)
        self.job = DocumentJob(assignment)
        self.job.start(engine)
        assert self._ended.wait(120), "the job did not end"
        return self

    def all(self, kind: str) -> list[Any]:
        return [getattr(event, kind) for event in self.events if event.WhichOneof("event") == kind]

    @property
    def header(self) -> service_pb.Header:
        (header,) = self.all("header")
        for more in self.all("more_header"):
            merge_header(header, more)
        return header

    @property
    def summary(self) -> service_pb.Summary:
        (summary,) = self.all("summary")
        return summary

    def finals(self) -> Iterator[service_pb.Estimate]:
        return (estimate for estimate in self.all("estimate") if estimate.final)


def request_of(text: str = TEXT, targets: tuple[int, ...] = (), **window: Any) -> service_pb.ExplainRequest:
    request = service_pb.ExplainRequest()
    request.sequence_classification.text = text
    for index in targets:
        request.sequence_classification.targets.add().label.index = index
    request.options.long_input.window.CopyFrom(WINDOW(**window))
    return request


def plan_of(model: TextModel, request: service_pb.ExplainRequest) -> Plan:
    return PLANNERS["sequence_classification"](request, model)


def counted_points(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """From now on, the number of points of each batch that is computed in this process."""
    computed: list[int] = []
    run = EmbeddingPathSpec.run

    def counting(spec: EmbeddingPathSpec, rows: Sequence[RowInputs], *moved: Any) -> Tensor:
        if torch.is_grad_enabled():
            computed.append(len(rows))
        return run(spec, rows, *moved)

    monkeypatch.setattr(EmbeddingPathSpec, "run", counting)
    return computed


@pytest.mark.parametrize(("name", "convention"), MODELS)
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_the_scores_add_up_to_the_documents_change(
    load_zoo: LoadZoo,
    engine: Engine,
    name: str,
    convention: "pb.Convention.ValueType",
    data: st.DataObject,
) -> None:
    aggregate = data.draw(st.sampled_from([WINDOW.AGGREGATE_MEAN, WINDOW.AGGREGATE_TOKEN_WEIGHTED_MEAN]))
    words = data.draw(st.lists(st.sampled_from(TEXT.split()), min_size=150, max_size=300))
    tolerance = data.draw(st.sampled_from([0.3, 0.05, 0.01]))
    request = request_of(" ".join(words), (0, 1), aggregate=aggregate, stride=data.draw(st.integers(40, 126)))
    request.options.convention = convention
    request.options.tolerance.relative = tolerance
    front = Front().run(plan_of(load_zoo(name), request), engine)
    assert front.failure is None
    header, summary = front.header, front.summary
    assert sum(window.share for window in header.windows) == pytest.approx(1)
    for target in summary.targets:
        scores = [s for e in front.finals() if e.target == target.target for s in e.scores]
        changes = [window.changes[target.target] for window in header.windows]
        change = target.f_input - target.f_baseline
        assert sum(scores) == pytest.approx(target.score_sum, abs=1e-9)
        assert sum(changes) == pytest.approx(change, abs=1e-5)
        assert abs(target.score_sum - change) <= target.error_bound + 1e-12
        assert target.stop_reason == service_pb.STOP_REASON_TOLERANCE
        assert target.error_bound <= tolerance * max(abs(change), sum(map(abs, scores)))


def test_the_documents_output_is_the_mean_of_the_windows(load_zoo: LoadZoo, engine: Engine) -> None:
    """Against each window's text by itself, where windows do not overlap and end with words."""
    model = load_zoo("bert")
    front = Front().run(plan_of(model, request_of(stride=126)), engine)
    header = front.header
    probabilities: list[Tensor] = []
    for window in header.windows:
        part = TEXT[window.tokens.starts[1] : window.tokens.ends[-2]]
        encoded = model.tokenizer(part, return_tensors="pt")
        assert encoded["input_ids"][0].tolist() == list(window.tokens.ids)
        probabilities.append(model.logits(dict(encoded))[0].softmax(dim=-1))
    mean = torch.stack(probabilities).mean(dim=0)
    assert list(header.prediction.probabilities) == pytest.approx(mean.tolist(), abs=1e-6)
    assert header.prediction.predicted_index == int(mean.argmax())
    assert header.targets[0].class_index == int(mean.argmax())


def test_a_weighted_mean_weighs_by_tokens(load_zoo: LoadZoo, engine: Engine) -> None:
    aggregate = WINDOW.AGGREGATE_TOKEN_WEIGHTED_MEAN
    header = (
        Front().run(plan_of(load_zoo("bert"), request_of(aggregate=aggregate, stride=126)), engine).header
    )
    tokens = [sum(not special for special in window.tokens.special) for window in header.windows]
    assert tokens[-1] < tokens[0]
    for window, count in zip(header.windows, tokens, strict=True):
        assert window.share == pytest.approx(count / sum(tokens))


def test_of_the_largest_window_only_that_one_is_explained(load_zoo: LoadZoo, engine: Engine) -> None:
    request = request_of(targets=(0, 1), aggregate=WINDOW.AGGREGATE_MAX, stride=100)
    front = Front().run(plan_of(load_zoo("bert"), request), engine)
    header, summary = front.header, front.summary
    single = Front().run(plan_of(load_zoo("bert"), request_of(targets=(0, 1), stride=100)), engine)
    inputs = {(e.target, e.window) for e in front.finals()}
    assert inputs == {(number, target.window) for number, target in enumerate(header.targets)}
    chosen = {target.window for target in header.targets}
    assert {window.index for window in header.windows if window.changes} == chosen
    for number, target in enumerate(header.targets):
        assert target.runner_up_gap > 0
        reached = summary.targets[number]
        assert abs(reached.convergence_delta) <= reached.error_bound
        own = single.header.windows[target.window].changes[number] / single.header.windows[0].share
        assert reached.f_input - reached.f_baseline == pytest.approx(own, abs=1e-5)


def test_a_near_tie_is_told_by_the_targets_name(load_zoo: LoadZoo) -> None:
    request = request_of(targets=(0, 1), aggregate=WINDOW.AGGREGATE_MAX, stride=100)
    request.sequence_classification.targets[0].versus.index = 1
    document = plan_of(load_zoo("bert"), request).document
    assert document is not None
    logits = [torch.tensor([1.0, 0.0, 0.0])] * len(document.token_counts)
    outcome = document.outcome(WindowLogits(logits, [torch.zeros(3)] * len(logits), logits))
    assert isinstance(outcome, DocumentOutcome)
    messages = [each.message for each in outcome.header.warnings if each.code == "WINDOWS_NEARLY_TIED"]
    names = [message.partition(":")[0] for message in messages]
    assert names == ["CLASS_0 rather than CLASS_1", "CLASS_1"]


def test_windows_come_by_how_much_there_is_to_explain(load_zoo: LoadZoo, engine: Engine) -> None:
    request = request_of(targets=(0,), stride=60)
    request.options.fixed_steps.n_steps = 7
    front = Front().run(plan_of(load_zoo("bert"), request), engine)
    sizes = {window.index: abs(window.changes[0]) for window in front.header.windows}
    ranks = {window: rank for rank, window in enumerate(sorted(sizes, key=lambda index: -sizes[index]))}
    # Two windows are open at a time, so neighbours may change places.
    order = [ranks[estimate.window] for estimate in front.finals()]
    assert all(abs(rank - place) <= 1 for place, rank in enumerate(order))


def changes_by_hand(model: TextModel, header: service_pb.Header, targets: Sequence[int]) -> list[Tensor]:
    """(targets,) for every window: what it adds to the document's change, by plain forward passes of BERT."""
    changes = []
    for window in header.windows:
        ids, special = torch.tensor([window.tokens.ids]), torch.tensor([window.tokens.special])
        baseline = ids.where(special, model.pad_token_id)
        with torch.no_grad():
            ends = [
                model.network(input_ids=each, attention_mask=torch.ones_like(each)).logits.double()
                for each in (ids, baseline)
            ]
        after, before = (each[0].softmax(dim=0)[list(targets)] for each in ends)
        changes.append((after - before) / len(header.windows))
    return changes


def test_every_progress_tells_what_is_left_of_exactly_the_windows_that_are_not_out(
    load_zoo: LoadZoo, engine: Engine
) -> None:
    targets, model = (0, 2), load_zoo("bert")
    request = request_of(targets=targets, stride=60)
    request.options.fixed_steps.n_steps = 7
    front = Front().run(plan_of(model, request), engine)
    changes = changes_by_hand(model, front.header, targets)
    assert len(changes) > 4
    assert min(float(change.abs().max()) for change in changes) > 1e-5, "what is left out would show"
    out: set[int] = set()
    told: list[int] = []
    for event in front.events:
        if event.HasField("estimate") and event.estimate.final:
            out.add(event.estimate.window)
        if event.HasField("progress") and event.progress.unexplained:
            left = sum(change for window, change in enumerate(changes) if window not in out)
            expected = (left + torch.zeros(len(targets))).tolist()
            assert list(event.progress.unexplained) == pytest.approx(expected, abs=1e-6)
            assert event.progress.windows_done == len(out)
            told.append(len(out))
    assert set(told) >= set(range(1, len(changes))), "after every window but the last, where the summary is"


def test_partial_estimates_of_a_window_have_its_share(load_zoo: LoadZoo, engine: Engine) -> None:
    request = request_of(targets=(0,), stride=126)
    request.options.tolerance.relative = 1e-4
    front = Front().run(plan_of(load_zoo("gpt2"), request), engine, partial_estimates=True)
    changes = {window.index: window.changes[0] for window in front.header.windows}
    partial = [estimate for estimate in front.all("estimate") if not estimate.final]
    assert partial
    for estimate in partial:
        assert abs(sum(estimate.scores) - changes[estimate.window]) <= estimate.error_bound + 1e-6


def test_cancelling_after_three_windows_stops_the_points(
    load_zoo: LoadZoo, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[int] = []
    computed = counted_points(monkeypatch)

    def leave(front: Front, event: service_pb.StreamExplainResponse) -> None:
        if event.HasField("estimate"):
            done.append(event.estimate.points)
            if len(done) == 3 and front.job is not None:
                front.job.cancel()

    request = request_of(stride=30)
    request.options.fixed_steps.n_steps = 20
    plan = plan_of(load_zoo("bert"), request)
    front = Front(at=leave).run(plan, engine)
    own = points_of_a_document_after(engine, load_zoo("bert"), computed)
    assert len(plan.paths) > 10
    assert len(done) == 3
    # 22 points a window, three windows done; two more were open, and the batch at hand is always finished.
    assert 3 * 22 <= own <= 5 * 22
    assert not front.all("summary")
    assert front.failure is None


def points_of_a_document_after(engine: Engine, model: TextModel, computed: list[int]) -> int:
    """What was computed so far, once the engine has gone on to another document and done it."""
    short = request_of(stride=126)
    short.options.fixed_steps.n_steps = 1
    after = Front().run(plan_of(model, short), engine)
    return sum(computed) - sum(target.points for target in after.summary.targets)


def test_a_document_that_is_cancelled_while_its_windows_are_told_is_read_no_further(
    load_zoo: LoadZoo, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = request_of(" ".join(SENTENCES * 40), targets=(0,), stride=20)
    plan = plan_of(load_zoo("bert"), request)
    assert isinstance(plan.paths, WindowPaths)
    reader, read, computed = plan.paths.cut.reader, WindowReader.read, counted_points(monkeypatch)
    spans: list[tuple[int, int]] = []

    def noting(own: WindowReader, start: int, end: int) -> TextInput:
        if own is reader:
            spans.append((start, end))
        return read(own, start, end)

    def leave(front: Front, event: service_pb.StreamExplainResponse) -> None:
        if event.HasField("header") and front.job is not None:
            front.job.cancel()
            spans.clear()

    monkeypatch.setattr(WindowReader, "read", noting)
    front = Front(at=leave).run(plan, engine)
    assert points_of_a_document_after(engine, load_zoo("bert"), computed) == 0
    assert not front.all("more_header"), "the header is longer than its first message"
    assert spans == []


def test_an_error_while_a_window_is_read_is_not_taken_for_the_texts_end(
    load_zoo: LoadZoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, read = plan_of(load_zoo("bert"), request_of(stride=60)), WindowReader.read

    def fail(own: WindowReader, start: int, end: int) -> TextInput:
        if start:
            raise IndexError("while a window is read")
        return read(own, start, end)

    monkeypatch.setattr(WindowReader, "read", fail)
    with pytest.raises(IndexError, match="while a window is read"):
        list(plan.paths)


def test_windows_that_are_open_are_given_up_where_the_next_cannot_be(
    load_zoo: LoadZoo, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed, opened = counted_points(monkeypatch), list[int]()

    def refuse_the_second(_rule: QuadratureRule, _targets: int, tokens: int) -> None:
        opened.append(tokens)
        if len(opened) == 2:
            raise MemoryError

    monkeypatch.setattr(part, "refuse_too_many_scores", refuse_the_second)
    front = Front().run(plan_of(load_zoo("bert"), request_of(targets=(0,), stride=60)), engine)
    assert front.failure.code == 8
    assert len(opened) == 2
    assert points_of_a_document_after(engine, load_zoo("bert"), computed) == 0


def test_at_the_deadline_what_is_done_goes_out_with_the_rest_as_its_bound(
    load_zoo: LoadZoo, engine: Engine
) -> None:
    """The time of a few windows, measured on this machine."""
    request = request_of(" ".join(SENTENCES * 20), targets=(0,), stride=30)
    request.options.fixed_steps.n_steps = 60
    plan = plan_of(load_zoo("bert"), request)
    marks: list[float] = []

    def leave(front: Front, event: service_pb.StreamExplainResponse) -> None:
        if event.HasField("estimate"):
            marks.append(time.monotonic())
            if len(marks) == 4 and front.job is not None:
                front.job.cancel()

    started = time.monotonic()
    Front(at=leave).run(plan, engine)
    front = Front().run(plan_of(load_zoo("bert"), request), engine, seconds_left=marks[-1] - started)
    assert front.failure is None
    (target,) = front.summary.targets
    finished = {estimate.window for estimate in front.finals()}
    left = sum(w.changes[0] for w in front.header.windows if w.index not in finished)
    assert 0 < len(finished) < len(plan.paths)
    assert target.stop_reason == service_pb.STOP_REASON_DEADLINE
    assert target.unexplained == pytest.approx(left, abs=1e-9)
    assert abs(target.convergence_delta) <= target.error_bound
    assert target.error_bound >= abs(left)


def test_headers_of_many_windows_come_in_messages_of_a_bearable_size(
    load_zoo: LoadZoo, engine: Engine
) -> None:
    request = request_of(" ".join(SENTENCES * 40), targets=(0,), stride=20, aggregate=WINDOW.AGGREGATE_MAX)
    request.options.fixed_steps.n_steps = 1
    front = Front().run(plan_of(load_zoo("bert"), request), engine)
    assert front.all("more_header")
    assert max(event.ByteSize() for event in front.events) < 256 << 10
    header = front.header
    assert [window.index for window in header.windows] == list(range(header.window_count))


def test_a_failing_window_ends_the_job_once(
    load_zoo: LoadZoo, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a broken model")

    def fail(front: Front, event: service_pb.StreamExplainResponse) -> None:
        if event.HasField("header"):
            monkeypatch.setattr(EmbeddingPathSpec, "run", broken)

    front = Front(at=fail).run(plan_of(load_zoo("bert"), request_of()), engine)
    assert front.failure.code == 13
    assert not front.all("summary")


def test_a_documents_first_estimate_comes_with_the_first_round(load_zoo: LoadZoo, engine: Engine) -> None:
    """However long the interval; and no other one within it, of whichever window."""
    request = request_of(targets=(0, 1))
    request.options.tolerance.relative = 1e-5
    order: dict[str, Any] = {"partial_estimates": True, "estimate_interval": 60.0}
    front = Front().run(plan_of(load_zoo("bert"), request), engine, **order)
    early = [estimate for estimate in front.all("estimate") if not estimate.final]
    assert [(estimate.target, estimate.round) for estimate in early] == [(0, 1), (1, 1)]
    assert max(estimate.round for estimate in front.finals()) > 1
