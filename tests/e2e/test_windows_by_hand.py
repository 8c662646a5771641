"""What docs/other-languages.md says of windows, applied to the messages as any client would."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import grpc
import pytest

from ligserve.client import (
    Client,
    PairwiseSequenceClassification,
    QuestionAnswering,
    SequenceClassification,
    TokenClassification,
    Window,
    ZeroShotClassification,
)
from ligserve.client.options import ExplainOptions
from ligserve.client.requests import explain_request
from ligserve.client.tasks import Task
from ligserve.v1 import explanation_service_pb2 as pb
from ligserve.v1.explanation_service_pb2_grpc import ExplanationServiceStub
from tests.live_server import LiveServer
from tests.zoo.corpus import SENTENCES

LONG = " ".join(SENTENCES) * 2
OTHER = "Who forgot the order?"
LABELS = ["food", "a company that flies"]
OPTIONS = ExplainOptions(n_steps=3, long_input=Window(stride=60))
# The label whose hypothesis stands beside it, whether it is of the long text, and its place there.
Place = tuple[int, bool, int]


def windows_of(header: pb.Header, target: pb.Target) -> list[pb.Window]:
    """The windows that a target is about."""
    if target.HasField("window"):
        return [header.windows[target.window]]
    if target.HasField("candidate"):
        return [window for window in header.windows if window.candidate == target.candidate]
    return list(header.windows)


def places(header: pb.Header, window: pb.Window) -> Iterator[Place]:
    """Which token of the whole each of a window's is."""
    long, others = window.first_token, 0
    for special, segment in zip(window.tokens.special, window.tokens.segments, strict=True):
        if not special and segment == header.windowed_segment:
            yield window.candidate, True, long
            long += 1
        else:
            yield window.candidate, False, others
            others += 1


def added_up(answer: pb.ExplainResponse, position: int) -> dict[Place, float]:
    sums: dict[Place, float] = defaultdict(float)
    scores = {(each.target, each.window): each.scores for each in answer.estimates}
    for window in windows_of(answer.header, answer.header.targets[position]):
        for place, score in zip(places(answer.header, window), scores[position, window.index], strict=True):
            sums[place] += score
    return sums


def in_order(header: pb.Header, found: Sequence[Place]) -> list[Place]:
    """As the tokens stand: around the long text's what stands around them in every window."""
    first = header.windows[0]
    before = [long for _, long, _ in places(header, first)].index(True)
    return sorted(found, key=lambda place: (place[0], place[1] or 2 * (place[2] >= before), place[2]))


@pytest.mark.parametrize(
    ("served", "model", "task"),
    [
        ("live", "bert", SequenceClassification(LONG, targets=[0, 1])),
        ("live", "bert", PairwiseSequenceClassification(LONG, OTHER)),
        ("live", "bert", PairwiseSequenceClassification(OTHER, LONG)),
        ("live", "roberta", PairwiseSequenceClassification(OTHER, LONG)),
        ("live", "bert-nli", ZeroShotClassification(LONG, LABELS)),
        ("live", "bert-nli", ZeroShotClassification(LONG, LABELS, multi_label=True)),
        ("live", "bert-entities", TokenClassification(LONG[:900], ignored_indexes=range(5, 180))),
        ("qa_live", "bert", QuestionAnswering(OTHER, LONG)),
    ],
)
def test_they_add_up(request: pytest.FixtureRequest, served: str, model: str, task: Task) -> None:
    server: LiveServer = request.getfixturevalue(served)
    with grpc.insecure_channel(server.address) as channel, Client(server.address) as client:
        ask = explain_request(model, task, OPTIONS)
        answer: pb.ExplainResponse = ExplanationServiceStub(channel).Explain(ask, timeout=60)
        explanation = client.explain(model, task, n_steps=3, long_input=OPTIONS.long_input)
    assert len(answer.header.windows) > 2
    assert len(answer.header.targets) == len(explanation.targets) > 0
    for position, target in enumerate(explanation.targets):
        sums = added_up(answer, position)
        assert sum(sums.values()) == pytest.approx(answer.summary.targets[position].score_sum, abs=1e-9)
        ordered = [sums[place] for place in in_order(answer.header, list(sums))]
        assert ordered == pytest.approx(target.scores, abs=1e-9)
        assert any(target.scores)
