"""Answers with the shape of real ones, made up from the request: words are tokens, scores are sines."""

import math
import re
from collections.abc import Iterable, Sequence

from ligserve.v1 import explanation_pb2 as pb
from ligserve.v1 import explanation_service_pb2 as service_pb

LABELS = ("NEGATIVE", "POSITIVE")
CHUNK = 2
PREDICTED = 1
PROBABILITY = 0.75


def to_answer(messages: Iterable[service_pb.StreamExplainResponse]) -> service_pb.ExplainResponse:
    """The unary answer that a stream stands for."""
    answer = service_pb.ExplainResponse()
    finals: dict[tuple[int, int], service_pb.Estimate] = {}
    for message in messages:
        match message.WhichOneof("event"):
            case "header":
                answer.header.CopyFrom(message.header)
            case "summary":
                answer.summary.CopyFrom(message.summary)
            case "estimate" if message.estimate.final:
                place = (message.estimate.target, message.estimate.window)
                whole = finals.setdefault(place, service_pb.Estimate())
                scores, errors = list(whole.scores), list(whole.score_errors)
                whole.CopyFrom(message.estimate)
                whole.first_token = 0
                whole.scores[:] = scores + list(message.estimate.scores)
                whole.score_errors[:] = errors + list(message.estimate.score_errors)
    answer.estimates.extend(finals.values())
    return answer


def scripted_messages(
    request: service_pb.ExplainRequest,
    labels: tuple[str, ...] = LABELS,
    single_logit: bool = False,
    warnings: Iterable[tuple[str, str]] = (),
) -> list[service_pb.StreamExplainResponse]:
    """Progress, header, a partial and a final estimate in chunks for each target, summary: of classes."""
    task = request.sequence_classification
    names = tuple(task.custom_labels) or labels
    targets = [_target(target, names) for target in task.targets] or [_target(pb.ClassTarget(), names)]
    for explained in targets:
        explained.output_space = request.options.output_space or explained.output_space
    return streamed(_header(request, names, targets, single_logit), warnings)


def streamed(
    header: service_pb.Header, warnings: Iterable[tuple[str, str]] = ()
) -> list[service_pb.StreamExplainResponse]:
    """The stream that such a header opens."""
    targets = header.targets
    header.warnings.extend(service_pb.Warning(code=code, message=message) for code, message in warnings)
    messages = [service_pb.StreamExplainResponse(progress=service_pb.Progress(queue_position=1))]
    messages.append(service_pb.StreamExplainResponse(header=header))
    length = len(header.windows[0].tokens.ids)
    for position in range(len(targets)):
        for final in (False, True):
            messages += _estimates(position, _scores(position, length), final)
    messages.append(service_pb.StreamExplainResponse(progress=service_pb.Progress(points_done=50)))
    messages.append(service_pb.StreamExplainResponse(summary=_summary(targets, length)))
    return messages


def _target(target: pb.ClassTarget, names: tuple[str, ...]) -> service_pb.Target:
    def index_of(reference: pb.ClassReference) -> int:
        return names.index(reference.name) if reference.WhichOneof("reference") == "name" else reference.index

    index = index_of(target.label) if target.HasField("label") else min(PREDICTED, len(names) - 1)
    message = service_pb.Target(
        class_index=index, class_label=names[index], output_space=pb.OUTPUT_SPACE_PROBABILITY
    )
    if target.HasField("versus"):
        message.versus_index = index_of(target.versus)
        message.versus_label = names[message.versus_index]
    return message


def _header(
    request: service_pb.ExplainRequest,
    names: tuple[str, ...],
    targets: list[service_pb.Target],
    single_logit: bool,
) -> service_pb.Header:
    probabilities = [PROBABILITY] if single_logit else [1 - PROBABILITY, PROBABILITY][: len(names)]
    prediction = service_pb.Prediction(
        labels=names,
        probabilities=probabilities,
        logits=[math.log(p) for p in probabilities],
        predicted_index=0 if single_logit else PREDICTED,
        predicted_label=names[0 if single_logit else PREDICTED],
    )
    return service_pb.Header(
        request_id="from-the-server",
        model=request.model,
        revision="abc",
        convention=request.options.convention or pb.CONVENTION_FAITHFUL,
        prediction=prediction,
        windows=[service_pb.Window(tokens=tokens_of(request.sequence_classification.text))],
        targets=targets,
    )


def tokens_of(text: str) -> service_pb.Tokens:
    """Words as tokens, the second and later ones spelt with a byte-level tokenizer's space."""
    spans = [match.span() for match in re.finditer(r"\S+", text)]
    tokens = service_pb.Tokens(ids=[101], texts=["[CLS]"], starts=[0], ends=[0], words=[-1])
    for word, (start, end) in enumerate(spans):
        tokens.ids.append(1000 + word)
        tokens.texts.append(("Ġ" if word else "") + text[start:end])
        tokens.starts.append(start)
        tokens.ends.append(end)
        tokens.words.append(word)
    tokens.MergeFrom(service_pb.Tokens(ids=[102], texts=["[SEP]"], starts=[0], ends=[0], words=[-1]))
    tokens.special.extend([True, *[False] * len(spans), True])
    tokens.segments.extend([0] * (len(spans) + 2))
    return tokens


def _scores(target: int, length: int) -> list[float]:
    return [math.sin(1 + target + i) / 3 if 0 < i < length - 1 else 0.0 for i in range(length)]


def _estimates(target: int, scores: list[float], final: bool) -> list[service_pb.StreamExplainResponse]:
    shrink = 1.0 if final else 0.5
    return [
        service_pb.StreamExplainResponse(
            estimate=service_pb.Estimate(
                target=target,
                first_token=first,
                scores=[score * shrink for score in scores[first : first + CHUNK]],
                score_errors=[1e-6] * len(scores[first : first + CHUNK]),
                error_bound=1e-4,
                points=50 if final else 17,
                round=2 if final else 1,
                final=final,
            )
        )
        for first in range(0, len(scores), CHUNK)
    ]


def _summary(targets: Sequence[service_pb.Target], length: int) -> service_pb.Summary:
    summary = service_pb.Summary(
        cost=service_pb.Cost(points=50, rows=52, tokens=500, batches=2),
        worker=service_pb.WorkerInfo(id="worker-0", device="cpu", dtype="float32"),
        versions={"torch": "2.13.0"},
    )
    summary.cost.compute_time.FromMilliseconds(1500)
    for position, target in enumerate(targets):
        total = math.fsum(_scores(position, length))
        f_input = PROBABILITY if target.class_index == PREDICTED or len(targets) == 1 else 1 - PROBABILITY
        summary.targets.add(
            target=position,
            f_input=f_input,
            f_baseline=f_input - total + 1e-5,
            score_sum=total,
            convergence_delta=1e-5,
            error_bound=1e-4,
            stop_reason=service_pb.STOP_REASON_TOLERANCE,
            points=50,
        )
    return summary
