"""Models that state no limit: long texts are one row, or cut where that is asked for, if memory suffices."""

import dataclasses
import re
from typing import Any

import pytest

from ligserve.server.errors import ResourceExhaustedError
from ligserve.server.workers.engine import budgets as budgets_module
from ligserve.server.workers.engine.engine import Engine
from ligserve.server.workers.engine.forward import predicted_logits
from ligserve.server.workers.engine.path import Path
from ligserve.server.workers.explainers import PLANNERS
from ligserve.server.workers.models.limits import WINDOW_WITHOUT_LIMIT
from ligserve.server.workers.models.loaded import TextModel
from ligserve.server.workers.models.row_memory import RowMemory
from ligserve.server.workers.probes.memory_probe import kept_bytes, learnt_row_memory
from ligserve.server.workers.quadrature import FixedRule, midpoint
from ligserve.v1 import explanation_pb2 as pb
from ligserve.v1 import explanation_service_pb2 as service_pb
from tests.workers.conftest import LoadQa, LoadZoo, Recorder
from tests.workers.test_documents import FAITHFUL, LIBRARY, Front, request_of
from tests.workers.test_engine import PROBABILITY, TEXT, explained, spec_of
from tests.zoo.corpus import SENTENCES

# 790 tokens of T5 and XLNet, a third of it of BERT.
LONG = " ".join(" ".join(SENTENCES * 2).split()[:200])
MIB = 1 << 20


def without_limit(model: TextModel) -> TextModel:
    """The model as it is where its tokenizer states no length."""
    return dataclasses.replace(model, max_tokens=0)


def options(policy: str, convention: "pb.Convention.ValueType" = FAITHFUL) -> pb.ExplainOptions:
    found = pb.ExplainOptions(convention=convention)
    if policy:
        getattr(found.long_input, policy).SetInParent()
    return found


def request_about(explainer: str, **how: Any) -> service_pb.ExplainRequest:
    """About a long text, beside a short one where there are two."""
    asked: dict[str, Any] = {
        "sequence_classification": {"text": LONG},
        "pairwise_sequence_classification": {"text1": SENTENCES[0], "text2": LONG},
        "zero_shot_classification": {"text": LONG, "labels": ["films", "food"]},
        "token_classification": {"text": LONG},
        "question_answering": {"question": SENTENCES[0], "context": LONG},
    }
    return service_pb.ExplainRequest(**{explainer: asked[explainer]}, options=options(**how))


@pytest.mark.parametrize(("name", "convention"), [("t5", FAITHFUL), ("xlnet", FAITHFUL), ("bert", LIBRARY)])
def test_windows_that_are_asked_for_are_made(
    load_zoo: LoadZoo, engine: Engine, name: str, convention: "pb.Convention.ValueType"
) -> None:
    text = " ".join([LONG] * 3) if name == "bert" else LONG
    model, request = without_limit(load_zoo(name)), request_of(text, stride=400)
    request.options.convention = convention
    request.options.fixed_steps.n_steps = 1
    plan = PLANNERS["sequence_classification"](request, model)
    assert plan.document is not None
    rows = [path.spec.length for path in plan.paths]
    assert len(rows) > 1
    assert max(rows) <= WINDOW_WITHOUT_LIMIT
    if name == "t5":
        front = Front().run(plan, engine)
        assert front.failure is None
        assert [len(window.tokens.ids) for window in front.header.windows] == rows


@pytest.mark.parametrize(
    ("explainer", "head"),
    [
        ("pairwise_sequence_classification", "classes"),
        ("zero_shot_classification", "entailment"),
        ("question_answering", "spans"),
    ],
)
def test_every_explainer_cuts_where_it_is_asked_to(
    load_zoo: LoadZoo, load_qa: LoadQa, explainer: str, head: str
) -> None:
    entailment = ("contradiction", "neutral", "entailment")
    model = load_qa("xlnet") if head == "spans" else load_zoo("xlnet", 3, entailment)
    model = without_limit(model)
    one, windows, rest = (
        PLANNERS[explainer](request_about(explainer, policy=policy), model)
        for policy in ("", "window", "truncate")
    )
    assert one.document is None
    assert min(path.spec.length for path in one.paths) > WINDOW_WITHOUT_LIMIT
    assert windows.document is not None
    assert max(path.spec.length for path in windows.paths) <= WINDOW_WITHOUT_LIMIT
    assert rest.document is None
    assert max(path.spec.length for path in rest.paths) == WINDOW_WITHOUT_LIMIT


def test_a_cut_is_told(load_zoo: LoadZoo) -> None:
    model = without_limit(load_zoo("t5"))
    plan = PLANNERS["sequence_classification"](
        request_about("sequence_classification", policy="truncate"), model
    )
    header = plan.outcome(predicted_logits([plan.paths[0].spec]))
    every = len(model.tokenizer(LONG)["input_ids"])
    assert header.truncated_tokens == every - WINDOW_WITHOUT_LIMIT
    assert header.warnings[0].code == "TEXT_TRUNCATED"


def test_a_text_that_fits_is_one_row_whatever_is_asked_for(load_zoo: LoadZoo) -> None:
    plan = PLANNERS["sequence_classification"](request_of(TEXT, stride=100), without_limit(load_zoo("t5")))
    assert plan.document is None


def refused(engine: Engine, model: TextModel, text: str) -> ResourceExhaustedError:
    """What a path over a text is refused with, before anything is run."""
    recorder = Recorder([PROBABILITY])
    engine.submit(Path(spec_of(model, text), FixedRule(*midpoint(4)), recorder, None))
    error = recorder.wait().error
    assert isinstance(error, ResourceExhaustedError)
    assert recorder.heard == []
    return error


def test_a_row_that_memory_cannot_hold_is_refused_before_it_is_begun(
    load_zoo: LoadZoo, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = without_limit(load_zoo("xlnet"))
    model = dataclasses.replace(model, row_memory=learnt_row_memory(model))
    spec = spec_of(model, LONG)
    needed = kept_bytes(spec)
    for own, free in ((0.3, 0.6), (0.0, 0.9)):
        monkeypatch.setattr(budgets_module, "own_memory", lambda device, own=own: own * needed)
        monkeypatch.setattr(budgets_module, "free_memory", lambda device, free=free: free * needed)
        error = refused(engine, model, LONG)
        assert error.reason == "OUT_OF_MEMORY"
        told = re.findall(r"(\d+) (tokens|MiB)", error.message)
        assert told[0] == (str(spec.length), "tokens")
        assert int(told[1][0]) == pytest.approx(needed / MIB, abs=0.6)
        assert int(told[2][0]) == pytest.approx(0.9 * needed / MIB, abs=0.6)
        assert "long_input" in error.message
    monkeypatch.setattr(budgets_module, "own_memory", lambda device: 0.5 * needed)
    explained(engine, spec, PROBABILITY, steps=1)


def test_windows_are_only_offered_where_they_would_be_smaller(
    load_zoo: LoadZoo, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that states a length has no text in one row that windows would cut."""
    monkeypatch.setattr(budgets_module, "own_memory", lambda device: 0.0)
    monkeypatch.setattr(budgets_module, "free_memory", lambda device: MIB)
    greedy = RowMemory(of_token=MIB, longest=100)
    limited = dataclasses.replace(load_zoo("bert"), row_memory=greedy)
    for model in (limited, dataclasses.replace(without_limit(load_zoo("t5")), row_memory=greedy)):
        assert "long_input" not in refused(engine, model, TEXT).message
