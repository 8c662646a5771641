"""Explanations of labels of a text that a test cuts into windows itself; words are tokens."""

from collections.abc import Iterator, Sequence

from ligserve.client.folding import StreamFolder
from ligserve.client.types.events import Event
from ligserve.v1 import explanation_service_pb2 as service_pb
from tests.client.scripted_answer import tokens_of

LABELS = ("O", "B-LOC", "I-LOC")
PROBABILITY = 0.75
Messages = list[service_pb.StreamExplainResponse]
# Start and end of a window's words, and of those that it answers for.
Span = tuple[tuple[int, int], tuple[int, int]]


def messages(
    words: Sequence[str],
    labels: Sequence[str],
    spans: Sequence[Span],
    reason: service_pb.StopReason.ValueType = service_pb.STOP_REASON_STEPS,
) -> Messages:
    """The stream about a text of these words; a token's score for another's label is their distance / 8."""
    whole = tokens_of(" ".join(words))
    header = service_pb.Header(model="ner", labels=LABELS, window_count=len(spans))
    estimates: Messages = []
    for number, ((start, end), own) in enumerate(spans):
        window = header.windows.add(index=number, share=1, first_token=start)
        window.tokens.CopyFrom(columns(whole, [0, *range(start + 1, end + 1), len(whole.ids) - 1]))
        first, last = number == 0, number == len(spans) - 1
        for token in range(own[0] + (not first), own[1] + 1 + last):
            estimates += _explain(header, window, token, labels)
        window.token_predictions.first_token = 0 if first else own[0] + 1 - start
    summary = service_pb.Summary(
        targets=[
            service_pb.TargetSummary(target=number, f_input=PROBABILITY, score_sum=2.0, stop_reason=reason)
            for number in range(len(header.targets))
        ]
    )
    return [
        service_pb.StreamExplainResponse(header=header),
        *estimates,
        service_pb.StreamExplainResponse(summary=summary),
    ]


def events(stream: Messages, text: str) -> tuple[StreamFolder, list[Event]]:
    """A stream read to its end."""
    folder = StreamFolder((text,))
    found = [folder.feed(message) for message in stream]
    return folder, [event for event in found if event is not None]


def columns(whole: service_pb.Tokens, places: Sequence[int]) -> service_pb.Tokens:
    """Some of a text's tokens."""
    names = ("ids", "texts", "starts", "ends", "words", "special", "segments")
    return service_pb.Tokens(**{name: [getattr(whole, name)[p] for p in places] for name in names})


def _explain(
    header: service_pb.Header, window: service_pb.Window, token: int, labels: Sequence[str]
) -> Iterator[service_pb.StreamExplainResponse]:
    """A token's prediction, and where it is a word a target and its estimate."""
    is_word = 0 < token <= len(labels)
    label = labels[token - 1] if is_word else "O"
    predictions = window.token_predictions
    predictions.predicted.append(LABELS.index(label))
    predictions.probabilities.extend(PROBABILITY if each == label else 0.125 for each in LABELS)
    predictions.logits.extend(float(each == label) for each in LABELS)
    if is_word:
        window.changes.append(PROBABILITY)
        header.targets.add(
            class_index=LABELS.index(label), class_label=label, token=token, window=window.index
        )
        count = len(window.tokens.ids)
        scores = [(place + window.first_token - token) / 8 for place in range(count)]
        yield service_pb.StreamExplainResponse(
            estimate=service_pb.Estimate(
                target=len(header.targets) - 1, window=window.index, scores=scores, final=True
            )
        )
