"""Answers to questions and labels of tokens, with the shape of real ones; words are tokens."""

from collections.abc import Iterable

from ligserve.v1 import explanation_pb2 as pb
from ligserve.v1 import explanation_service_pb2 as service_pb
from tests.client.scripted_answer import streamed, tokens_of

TAGS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
NAMES = {"Ada": "B-PER", "Lovelace": "I-PER", "London": "B-LOC"}
TAG_PROBABILITY = 0.875
ANSWER_PROBABILITY = 0.625


def answer_messages(
    request: service_pb.ExplainRequest,
    warnings: Iterable[tuple[str, str]] = (),
    ends: tuple[int, int] | None = None,
) -> list[service_pb.StreamExplainResponse]:
    """The context's last word as the answer; or what lies between two tokens, wherever they are."""
    task = request.question_answering
    tokens, context = tokens_of(task.question), tokens_of(task.context)
    first = len(tokens.ids)
    for column in ("ids", "texts", "starts", "ends", "words", "special"):
        getattr(tokens, column).extend(getattr(context, column)[1:])
    tokens.segments.extend([1] * (len(context.ids) - 2) + [0])
    start, end = ends or (len(tokens.ids) - 2, len(tokens.ids) - 2)
    answer = service_pb.Answer(first_token=start, last_token=end, probability=ANSWER_PROBABILITY)
    if first <= start <= end < len(tokens.ids) - 1:
        answer.start, answer.end = tokens.starts[start], tokens.ends[end]
        answer.text = task.context[answer.start : answer.end]
    space = pb.OUTPUT_SPACE_LOGIT if request.options.convention == pb.CONVENTION_LIBRARY else 0
    ends_of_answer = (service_pb.ANSWER_END_START, service_pb.ANSWER_END_END)
    header = _header(request, tokens)
    header.answer.CopyFrom(answer)
    for which in ends_of_answer:
        header.targets.add(
            answer_end=which,
            output_space=request.options.output_space or space or pb.OUTPUT_SPACE_PROBABILITY,
        )
    return streamed(header, warnings)


def label_messages(
    request: service_pb.ExplainRequest, warnings: Iterable[tuple[str, str]] = ()
) -> list[service_pb.StreamExplainResponse]:
    """Names are labelled, all else is outside; a target for each token that is not ignored."""
    task = request.token_classification
    tokens = tokens_of(task.text)
    header = _header(request, tokens)
    header.labels.extend(TAGS)
    for place, text in enumerate(tokens.texts):
        label = NAMES.get(text.removeprefix("Ġ").rstrip(".,"), "O")
        _predict(header.windows[0].token_predictions, label)
        if place not in task.ignored_indexes and label not in task.ignored_labels:
            header.targets.add(
                class_index=TAGS.index(label),
                class_label=label,
                token=place,
                output_space=request.options.output_space or pb.OUTPUT_SPACE_PROBABILITY,
            )
    return streamed(header, warnings)


def _predict(predictions: service_pb.TokenPredictions, label: str) -> None:
    rest = (1 - TAG_PROBABILITY) / (len(TAGS) - 1)
    predictions.predicted.append(TAGS.index(label))
    predictions.probabilities.extend(TAG_PROBABILITY if tag == label else rest for tag in TAGS)
    predictions.logits.extend([0.0] * len(TAGS))


def _header(request: service_pb.ExplainRequest, tokens: service_pb.Tokens) -> service_pb.Header:
    return service_pb.Header(
        request_id="from-the-server",
        model=request.model,
        revision="abc",
        convention=request.options.convention or pb.CONVENTION_FAITHFUL,
        windows=[service_pb.Window(tokens=tokens)],
    )
