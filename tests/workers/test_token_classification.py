"""A target for each token: captum's scores, nothing for what is ignored, and turns between many targets."""

import copy
import dataclasses
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
from captum.attr import LayerIntegratedGradients
from torch import Tensor

from ligserve.internal.v1.frames_pb2 import RunJob, WorkerFrame
from ligserve.server.errors import FailedPreconditionError
from ligserve.server.workers.engine.embedding_path import EmbeddingPathSpec
from ligserve.server.workers.engine.engine import Engine
from ligserve.server.workers.engine.outputs import ClassOutput, TokenOutput
from ligserve.server.workers.engine.path import Path
from ligserve.server.workers.engine.self_prediction import OUTPUTS_PER_TURN
from ligserve.server.workers.engine.turns import MAX_UNDER_WAY
from ligserve.server.workers.explainers import PLANNERS, Plan
from ligserve.server.workers.identity import WorkerIdentity
from ligserve.server.workers.jobs.assignment import Assignment
from ligserve.server.workers.jobs.job import Job
from ligserve.server.workers.jobs.job_channel import JobChannel
from ligserve.server.workers.models.head import TOKEN
from ligserve.server.workers.models.loaded import TextModel
from ligserve.server.workers.models.lookups import embedding_layers
from ligserve.server.workers.quadrature import AdaptiveRule, FixedRule, gauss_legendre
from ligserve.v1 import explanation_pb2 as pb
from ligserve.v1 import explanation_service_pb2 as service_pb
from tests.conftest import ENTITY_ARCHITECTURES, ENTITY_LABELS
from tests.workers.conftest import LoadZoo, Recorder

TEXT = "The film was long, loud and not funny at all; my parents hated it."
SPACES = [space for space in pb.OutputSpace.values() if space]


@pytest.fixture
def bert(load_zoo: LoadZoo) -> TextModel:
    return load_zoo("bert", labels=ENTITY_LABELS, head=TOKEN)


@dataclass
class BackwardPasses:
    """How many there were so far, and what is done just before one of them, by its number from 1."""

    count: int = 0
    before: dict[int, Callable[[], None]] = field(default_factory=dict)


@pytest.fixture
def backward_passes(monkeypatch: pytest.MonkeyPatch) -> BackwardPasses:
    """Counts the backward passes of all engines; they are real."""
    passes = BackwardPasses()
    real: Any = torch.autograd.grad

    def counted(*arguments: object, **options: object) -> object:
        passes.count += 1
        passes.before.get(passes.count, lambda: None)()
        return real(*arguments, **options)

    monkeypatch.setattr(torch.autograd, "grad", counted)
    return passes


def plan_of(model: TextModel, *, steps: int = 5, **fields: object) -> Plan:
    request = service_pb.ExplainRequest(
        token_classification=pb.TokenClassification(text=TEXT, **fields)  # type: ignore[arg-type]
    )
    request.options.fixed_steps.n_steps = steps
    return PLANNERS["token_classification"](request, model)


def events_of(plan: Plan, engine: Engine) -> list[service_pb.StreamExplainResponse]:
    events: list[service_pb.StreamExplainResponse] = []
    ended = threading.Event()

    def send(frame: WorkerFrame) -> None:
        if frame.HasField("ended"):
            assert not frame.ended.HasField("failure"), frame.ended
            ended.set()
        else:
            events.append(frame.event.event)

    run = RunJob(job_id=1)
    channel = JobChannel(run, send, lambda _: None)
    job = Job(Assignment(run, plan, WorkerIdentity("w", "cpu"), channel, time.monotonic()))
    engine.submit(*job.paths)
    assert ended.wait(60)
    return events


def run(spec: EmbeddingPathSpec, outputs: Sequence[TokenOutput], engine: Engine, steps: int) -> Path:
    path = Path(spec, FixedRule(*gauss_legendre(steps)), Recorder(outputs), None)
    engine.submit(path)
    assert isinstance(path.listener, Recorder)
    assert path.listener.wait().error is None
    return path


def spec_of(model: TextModel) -> EmbeddingPathSpec:
    spec = plan_of(model).paths[0].spec
    assert isinstance(spec, EmbeddingPathSpec)
    return spec


def by_captum(spec: EmbeddingPathSpec, output: TokenOutput, steps: int) -> Tensor:
    """(T,) raw scores of captum's LayerIntegratedGradients, the same inputs along the whole path."""
    rest = {name: values[None] for name, values in spec.row.items() if name != "input_ids"}

    def forward(input_ids: Tensor, others: dict[str, Tensor]) -> Tensor:
        copies = {name: values.expand(len(input_ids), -1) for name, values in others.items()}
        logits: Tensor = spec.model.network(input_ids=input_ids, **copies).logits
        of_token, index = logits[:, output.position], output.output.class_index
        if output.output.space == pb.OUTPUT_SPACE_LOGIT:
            return of_token[:, index]
        chance = of_token.double().softmax(dim=1)[:, index]
        return chance if output.output.space == pb.OUTPUT_SPACE_PROBABILITY else torch.logit(chance)

    attributions = LayerIntegratedGradients(forward, spec.layer.modules[0]).attribute(
        spec.row["input_ids"][None],
        baselines=spec.baseline_row["input_ids"][None],
        additional_forward_args=(rest,),
        n_steps=steps,
        method="gausslegendre",
    )
    return attributions.sum(dim=-1)[0].detach()


@pytest.mark.parametrize("name", ENTITY_ARCHITECTURES)
def test_scores_equal_captums(load_zoo: LoadZoo, engine: Engine, name: str) -> None:
    spec = spec_of(load_zoo(name, labels=ENTITY_LABELS, head=TOKEN))
    outputs = [
        TokenOutput(position, ClassOutput(position % 5, None, SPACES[position])) for position in range(3)
    ]
    estimate = run(spec, outputs, engine, steps=20).rule.estimate()
    assert estimate is not None
    for scores, output in zip(estimate.scores, outputs, strict=True):
        expected = by_captum(spec, output, steps=20)
        assert np.abs(scores).max() > 1e-3
        assert scores == pytest.approx(expected.numpy(), abs=1e-4 * float(expected.abs().max()))


def test_the_targets_are_the_tokens_that_are_not_special(bert: TextModel, engine: Engine) -> None:
    header = events_of(plan_of(bert), engine)[0].header
    (window,) = header.windows
    special = list(window.tokens.special)
    assert [target.token for target in header.targets] == [n for n, flag in enumerate(special) if not flag]
    assert len(window.token_predictions.predicted) == len(special)
    assert not window.HasField("path_predictions")
    for target in header.targets:
        assert target.class_index == window.token_predictions.predicted[target.token]
        assert target.class_label == header.labels[target.class_index]


def test_ignored_tokens_and_labels_get_no_backward_pass(
    bert: TextModel, backward_passes: BackwardPasses, engine: Engine
) -> None:
    every = events_of(plan_of(bert), engine)[0].header
    label = every.labels[every.windows[0].token_predictions.predicted[1]]
    backward_passes.count = 0
    events = events_of(plan_of(bert, ignored_indexes=[2, 3, 3], ignored_labels=[label]), engine)
    header, summary = events[0].header, events[-1].summary
    assert 0 < len(header.targets) < len(every.targets) - 2
    assert {1, 2, 3}.isdisjoint({target.token for target in header.targets})
    assert label not in {target.class_label for target in header.targets}
    assert backward_passes.count == len(header.targets) * summary.cost.batches


def test_nothing_left_is_an_answer_without_a_gradient(
    bert: TextModel, backward_passes: BackwardPasses, engine: Engine
) -> None:
    events = events_of(plan_of(bert, ignored_labels=ENTITY_LABELS), engine)
    assert [event.WhichOneof("event") for event in events] == ["header", "summary"]
    header, summary = events[0].header, events[-1].summary
    assert not header.targets
    assert not summary.targets
    assert [warning.code for warning in header.warnings] == ["NOTHING_TO_EXPLAIN"]
    (window,) = header.windows
    assert len(window.token_predictions.predicted) == len(window.tokens.ids)
    assert (summary.cost.points, summary.cost.rows, summary.cost.batches) == (0, 1, 0)
    assert not backward_passes.count


def test_a_single_label_is_refused_in_library(load_zoo: LoadZoo) -> None:
    model = load_zoo("bert", 1, head=TOKEN)
    request = service_pb.ExplainRequest(token_classification=pb.TokenClassification(text=TEXT))
    assert PLANNERS["token_classification"](request, model).paths
    request.options.convention = pb.CONVENTION_LIBRARY
    with pytest.raises(FailedPreconditionError, match="softmax over a single label") as raised:
        PLANNERS["token_classification"](request, model)
    assert raised.value.reason == "LIBRARY_CONVENTION_UNSUPPORTED"


def test_warnings_of_many_targets_are_summed_up(bert: TextModel, engine: Engine) -> None:
    """A model that calls everything O calls the baseline so, too."""
    network = copy.deepcopy(bert.network)
    with torch.no_grad():
        network.get_submodule("classifier").get_parameter("bias")[0] += 20.0
    stubborn = dataclasses.replace(bert, network=network, layers=embedding_layers(network, bert.tokenizer))
    summary = events_of(plan_of(stubborn), engine)[-1].summary
    assert len(summary.targets) > 10
    assert [warning.code for warning in summary.warnings] == ["BASELINE_NOT_NEUTRAL"] * 5
    assert "for O of token 1 'the'" in summary.warnings[0].message
    last = summary.warnings[-1].message
    assert f"{len(summary.targets) - 4} more of the {len(summary.targets)} targets" in last


def many(spec: EmbeddingPathSpec, turns: int) -> list[TokenOutput]:
    """Targets that take so many turns, all of them different."""
    classes, spaces = range(len(ENTITY_LABELS)), SPACES
    every = [
        TokenOutput(position, ClassOutput(index, None, space))
        for space in spaces
        for index in classes
        for position in range(spec.length)
    ]
    return every[: turns * OUTPUTS_PER_TURN]


def test_many_targets_equal_each_alone(bert: TextModel, engine: Engine) -> None:
    spec = spec_of(bert)
    outputs = many(spec, turns=24 // OUTPUTS_PER_TURN)
    together = run(spec, outputs, engine, steps=4).rule.estimate()
    assert together is not None
    for number in (0, 9, 23):
        alone = run(spec, outputs[number : number + 1], engine, steps=4).rule.estimate()
        assert alone is not None
        assert together.scores[number] == pytest.approx(alone.scores[0], rel=1e-5, abs=1e-7)


def test_one_target_does_not_wait_for_many(
    bert: TextModel, backward_passes: BackwardPasses, engine: Engine
) -> None:
    """The many take 20 turns a batch; the one comes in the first turn and is answered before the second."""
    spec = spec_of(bert)
    crowd, single = Recorder(many(spec, turns=20)), Recorder(many(spec, turns=1)[:1])
    crowded, alone = (Path(spec, FixedRule(*gauss_legendre(9)), each, None) for each in (crowd, single))
    answered_at: list[int] = []
    single.on_points = lambda _: answered_at.append(backward_passes.count)
    backward_passes.before[1] = lambda: engine.submit(alone)
    engine.submit(crowded)
    assert single.wait().error is None
    assert len(answered_at) == 1
    assert answered_at[0] <= OUTPUTS_PER_TURN + 1
    assert crowd.wait().error is None
    assert crowded.cost.points == 11


def test_many_others_do_not_fill_the_memory(
    bert: TextModel, backward_passes: BackwardPasses, engine: Engine
) -> None:
    """Of five paths of many targets only so many have a batch under way, and all get their answer."""
    spec = spec_of(bert)
    crowd = [Recorder(many(spec, turns=3)) for _ in range(5)]
    most: list[int] = []
    for number in range(1, 200):
        backward_passes.before[number] = lambda: most.append(len(engine._under_way))
    engine.submit(*(Path(spec, FixedRule(*gauss_legendre(2)), each, None) for each in crowd))
    assert [each.wait().error for each in crowd] == [None] * 5
    assert max(most) <= MAX_UNDER_WAY


def test_a_path_that_nobody_wants_any_more_ends_within_a_turn(
    bert: TextModel, backward_passes: BackwardPasses, engine: Engine
) -> None:
    spec = spec_of(bert)
    path = Path(spec, FixedRule(*gauss_legendre(9)), Recorder(many(spec, turns=20)), None)
    left = threading.Event()

    def leave() -> None:
        path.cancel()
        left.set()

    backward_passes.before[1] = leave
    engine.submit(path)
    assert left.wait(60)
    run(spec, many(spec, turns=1)[:1], engine, steps=1)
    assert backward_passes.count <= OUTPUTS_PER_TURN + 1
    assert path.cost.points == 0


def test_an_estimate_that_was_cut_by_the_deadline_stays(
    bert: TextModel, backward_passes: BackwardPasses, engine: Engine
) -> None:
    """The deadline comes amid the second round's batch: nothing is added to the first round's answer."""
    spec, turns = spec_of(bert), 4
    recorder = Recorder(many(spec, turns=turns))
    path = Path(spec, AdaptiveRule(1e-6, 4096), recorder, None)
    second_round = turns * OUTPUTS_PER_TURN + 2
    backward_passes.before[second_round] = lambda: setattr(path, "deadline", 0.0)
    engine.submit(path)
    recorder.wait()
    run(spec, many(spec, turns=1)[:1], engine, steps=1)
    estimate = path.rule.estimate()
    assert estimate is not None
    assert (path.cut_by_deadline, estimate.round) == (True, 1)
    assert recorder.heard == ["predicted", "points", "round", "finished"]


def test_gradients_are_not_kept(bert: TextModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """At most one target's gradient is alive when the next one is computed."""
    alive: list[int] = []
    gradients: list[weakref.ref[Tensor]] = []
    real: Any = torch.autograd.grad

    def watched(*arguments: object, **options: object) -> Sequence[Tensor]:
        alive.append(sum(reference() is not None for reference in gradients))
        found: Sequence[Tensor] = real(*arguments, **options)
        gradients.extend(map(weakref.ref, found))
        return found

    monkeypatch.setattr(torch.autograd, "grad", watched)
    engine = Engine()
    run(spec_of(bert), many(spec_of(bert), turns=2), engine, steps=2)
    engine.close()
    assert len(alive) == 2 * OUTPUTS_PER_TURN
    assert max(alive) <= 1
