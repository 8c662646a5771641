"""Long pairs in a worker: one text is cut, the other is whole in every window, and all of it adds up."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ligserve.client.types.document import Document as ClientDocument
from ligserve.server.errors import InvalidArgumentError
from ligserve.server.workers.engine.engine import Engine
from ligserve.server.workers.explainers import PLANNERS, Plan
from ligserve.server.workers.models.loaded import TextModel
from ligserve.v1 import explanation_pb2 as pb
from ligserve.v1 import explanation_service_pb2 as service_pb
from tests.workers.conftest import LoadZoo
from tests.workers.test_documents import FAITHFUL, LIBRARY, WINDOW, Front
from tests.zoo.corpus import SENTENCES

WORDS = " ".join(SENTENCES).split()
# One separator and two, types, no special tokens at all, pieces that start with a space, padding on the left.
MODELS = [
    ("bert", FAITHFUL),
    ("bert", LIBRARY),
    ("roberta", FAITHFUL),
    ("roberta", LIBRARY),
    ("albert", FAITHFUL),
    ("gpt2", FAITHFUL),
    ("xlnet", FAITHFUL),
]
LONG = " ".join(SENTENCES * 2)
SHORT = SENTENCES[0]


def request_of(texts: tuple[str, str], targets: tuple[int, ...] = (), **window: Any) -> Any:
    request = service_pb.ExplainRequest()
    asked = request.pairwise_sequence_classification
    asked.text1, asked.text2 = texts
    for index in targets:
        asked.targets.add().label.index = index
    request.options.long_input.window.CopyFrom(WINDOW(**window))
    return request


def plan_of(model: TextModel, request: service_pb.ExplainRequest) -> Plan:
    return PLANNERS["pairwise_sequence_classification"](request, model)


@pytest.mark.parametrize(("name", "convention"), MODELS)
@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_windows_of_a_pair_add_up_and_cover_both_texts(
    load_zoo: LoadZoo, engine: Engine, name: str, convention: "pb.Convention.ValueType", data: st.DataObject
) -> None:
    long = " ".join(data.draw(st.lists(st.sampled_from(WORDS), min_size=130, max_size=220)))
    short = " ".join(data.draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=8)))
    windowed = data.draw(st.integers(0, 1))
    texts = (short, long) if windowed else (long, short)
    aggregate = data.draw(st.sampled_from([WINDOW.AGGREGATE_MEAN, WINDOW.AGGREGATE_TOKEN_WEIGHTED_MEAN]))
    request = request_of(texts, (0, 1), aggregate=aggregate, stride=data.draw(st.integers(30, 50)))
    request.options.convention = convention
    request.options.tolerance.relative = data.draw(st.sampled_from([0.3, 0.02]))
    front = Front().run(plan_of(load_zoo(name), request), engine)
    assert front.failure is None
    assert front.header.windowed_segment == windowed
    assert_adds_up(front, request.options.tolerance.relative)
    assert_covers(front.header, texts)


def assert_adds_up(front: Front, tolerance: float) -> None:
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


def assert_covers(header: service_pb.Header, texts: tuple[str, str]) -> None:
    """Every window holds the one text whole; together they hold the other one, each token once, in order."""
    windowed = header.windowed_segment
    document = ClientDocument.from_proto(header)
    for window in header.windows:
        assert characters(window.tokens, 1 - windowed) >= written(texts[1 - windowed])
    for segment, text in enumerate(texts):
        own = [token for token in document.tokens if token.segment == segment and not token.special]
        covered = {place for token in own for place in range(token.start, token.end)}
        assert covered >= written(text)
        assert [token.start for token in own] == sorted(token.start for token in own)
    for window in header.windows:
        places = document.places(window.index)
        assert [document.tokens[place].id for place in places] == list(window.tokens.ids)
        assert [document.tokens[place].start for place in places] == list(window.tokens.starts)


def characters(tokens: service_pb.Tokens, segment: int) -> set[int]:
    columns = zip(tokens.starts, tokens.ends, tokens.segments, tokens.special, strict=True)
    spans = [(start, end) for start, end, of, special in columns if of == segment and not special]
    return {place for start, end in spans for place in range(start, end)}


def written(text: str) -> set[int]:
    return {place for place, character in enumerate(text) if not character.isspace()}


@pytest.mark.parametrize("convention", [FAITHFUL, LIBRARY])
def test_a_pair_that_fits_is_plain(
    load_zoo: LoadZoo, engine: Engine, convention: "pb.Convention.ValueType"
) -> None:
    request = request_of((SHORT, SENTENCES[1]), stride=1)
    request.options.convention = convention
    plan = plan_of(load_zoo("bert"), request)
    assert plan.document is None
    request.options.long_input.refuse.SetInParent()
    plain = plan_of(load_zoo("bert"), request)
    assert plan.paths[0].tokens == plain.paths[0].tokens


def test_the_longer_text_is_cut_and_of_equal_ones_the_second(load_zoo: LoadZoo) -> None:
    half = " ".join(WORDS[:60])
    for texts, windowed in (((LONG, SHORT), 0), ((SHORT, LONG), 1), ((half, half), 1)):
        document = plan_of(load_zoo("bert"), request_of(texts)).document
        assert document is not None
        assert document.segment == windowed


def test_windows_are_as_long_as_the_other_text_lets_them_be(load_zoo: LoadZoo) -> None:
    model = load_zoo("bert")
    plan = plan_of(model, request_of((SHORT, LONG)))
    assert plan.document is not None
    beside = len(model.tokenizer(SHORT, add_special_tokens=False)["input_ids"])
    longest = max(plan.document.token_counts)
    assert 128 - 3 - beside - 6 < longest <= 128 - 3 - beside
    assert max(len(path.tokens.ids) for path in plan.paths) <= 128


@pytest.mark.parametrize(
    ("texts", "options", "field", "words"),
    [
        ((LONG, LONG), {}, "text1", r"text1.* has \d+ tokens .* leaves 0 for a window, which needs 16"),
        ((LONG, "\x01"), {}, "text2", "finds no token"),
        (("\x01", LONG), {}, "text1", "finds no token"),
        ((LONG, SHORT), {"window": {"stride": 126}}, "stride", r"is 126, but a window .* holds only \d+"),
        ((LONG, SHORT), {"refuse": {}}, "text1", "a pair of .* tokens"),
    ],
)
def test_what_cannot_be_cut_is_refused(
    load_zoo: LoadZoo, texts: tuple[str, str], options: dict[str, Any], field: str, words: str
) -> None:
    request = request_of(texts)
    request.options.long_input.CopyFrom(pb.LongInput(**options))
    with pytest.raises(InvalidArgumentError, match=words) as caught:
        plan_of(load_zoo("bert"), request)
    (violation,) = caught.value.violations
    assert violation.field.endswith(field)


@pytest.mark.parametrize("room", [16, 15])
def test_a_window_has_room_for_sixteen_tokens_at_least(load_zoo: LoadZoo, room: int) -> None:
    beside = " ".join(["a"] * (128 - 3 - room))
    request = request_of((beside, " ".join(["a"] * 200)))
    if room == 15:
        with pytest.raises(InvalidArgumentError, match="leaves 15 for a window") as caught:
            plan_of(load_zoo("bert"), request)
        assert caught.value.reason == "NO_ROOM_FOR_WINDOWS"
        return
    document = plan_of(load_zoo("bert"), request).document
    assert document is not None
    assert max(document.token_counts) == 16


@pytest.mark.parametrize("convention", [FAITHFUL, LIBRARY])
def test_a_cut_pair_keeps_the_other_text(load_zoo: LoadZoo, convention: "pb.Convention.ValueType") -> None:
    model, request = load_zoo("bert"), request_of((LONG, SHORT))
    request.options.long_input.truncate.SetInParent()
    request.options.convention = convention
    plan = plan_of(model, request)
    (path,) = plan.paths
    expected = model.tokenizer(LONG, SHORT, truncation="only_first", max_length=128)["input_ids"]
    assert list(path.tokens.ids) == expected
    header = plan.outcome([path.spec.predict()])
    assert header.truncated_tokens == len(model.tokenizer(LONG, SHORT)["input_ids"]) - 128
    assert "pairwise_sequence_classification.text1" in header.warnings[0].message
