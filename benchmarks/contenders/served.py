"""ligserve: a server as a process of its own, asked through the Python client."""

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from benchmarks.contenders.server import Server
from benchmarks.contenders.setting import Setting
from benchmarks.workloads.questions import Accuracy, Answer, Attribution, Kind, Question
from ligserve.client import (
    AnswerEnd,
    Client,
    EstimateEvent,
    Explanation,
    HeaderEvent,
    MultiLabelClassification,
    QuestionAnswering,
    SequenceClassification,
    Task,
    TokenClassification,
    ZeroShotClassification,
)
from ligserve.client.options import ExplainKeywords

# A label for each of 40 tokens takes a busy machine longer than a client waits by default.
TIMEOUT_S = 600.0


class Stream(NamedTuple):
    """When a stream's events came, in seconds since it was asked for."""

    header: float
    first_estimate: float
    end: float


class Contender:
    """Client and server. With steps the convention is the library's, with a tolerance the model's own."""

    def __init__(self, setting: Setting) -> None:
        self._model = setting.kind.value
        self._server = Server({self._model: setting.model}, threads=setting.threads, device=setting.device)
        self._client = Client(self._server.address, timeout=TIMEOUT_S)

    def explain(self, question: Question, accuracy: Accuracy) -> Answer:
        """Explain a question."""
        explanation = self._client.explain(self._model, task(question), **options(accuracy))
        return as_answer(explanation, library_inputs=accuracy.steps is not None)

    def stream(self, question: Question, accuracy: Accuracy) -> Stream:
        """Explain a question as a stream, with an estimate after each round; when its events came."""
        return self._stream(question, accuracy, preview=False)

    def preview(self, question: Question, accuracy: Accuracy) -> Stream:
        """The same, with a first estimate after a single point."""
        return self._stream(question, accuracy, preview=True)

    def _stream(self, question: Question, accuracy: Accuracy, *, preview: bool) -> Stream:
        asked = time.perf_counter()
        came: dict[str, float] = {}
        opened = self._client.stream(
            self._model, task(question), estimate_interval=0.0, preview=preview, **options(accuracy)
        )
        with opened as stream:
            for event in stream:
                if isinstance(event, HeaderEvent):
                    came["header"] = time.perf_counter() - asked
                elif isinstance(event, EstimateEvent):
                    came.setdefault("first_estimate", time.perf_counter() - asked)
        return Stream(**came, end=time.perf_counter() - asked)

    def close(self) -> None:
        """Stop the client and the server."""
        self._client.close()
        self._server.close()


def options(accuracy: Accuracy) -> ExplainKeywords:
    """How the client is asked."""
    if accuracy.steps is not None:
        return {"convention": "library", "n_steps": accuracy.steps}
    return {"tolerance": accuracy.tolerance, "precision": accuracy.precision}


def task(question: Question) -> Task:
    """The client's own question."""
    return _TASKS[question.kind](question)


_TASKS: Mapping[Kind, Callable[[Question], Task]] = {
    Kind.TEXT: lambda question: SequenceClassification(question.text),
    Kind.TOKENS: lambda question: TokenClassification(question.text, ignored_indexes=question.ignored),
    Kind.LABELS: lambda question: MultiLabelClassification(question.text),
    Kind.HYPOTHESES: lambda question: ZeroShotClassification(
        question.text, question.labels, include_hypothesis=True, multi_label=True
    ),
    Kind.SPAN: lambda question: QuestionAnswering(question.question, question.text),
}


def as_answer(explanation: Explanation, *, library_inputs: bool) -> Answer:
    """What the benchmark needs of an explanation."""
    cost = explanation.cost
    return Answer(
        attributions=_attributions(explanation, library_inputs),
        points=cost.points,
        rows=cost.rows,
        gradients=cost.gradients,
        library_inputs=library_inputs,
        engine_seconds=cost.compute_seconds,
    )


def _attributions(explanation: Explanation, library_inputs: bool) -> tuple[Attribution, ...]:
    if explanation.answer is None:
        return tuple(
            Attribution(each.scores, each.class_index, each.target.token) for each in explanation.targets
        )
    positions = (explanation.answer.first_token, explanation.answer.last_token)
    starts = [each.target.answer_end is AnswerEnd.START for each in explanation.targets]
    # The library's largest logit is at no token: it wanders along the path.
    return tuple(
        Attribution(each.scores, int(not start), None if library_inputs else positions[int(not start)])
        for each, start in zip(explanation.targets, starts, strict=True)
    )
