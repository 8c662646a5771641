"""A stream of events, folded into the finished explanation."""

from collections import Counter
from collections.abc import AsyncIterable, Iterator

from ligserve.server.errors import FailedPreconditionError
from ligserve.server.large_messages import merge_header
from ligserve.server.pool.events import Event
from ligserve.v1 import explanation_service_pb2 as pb

# What clients take in one message by default is 4 MiB in most languages, 64 MiB in ours.
MAX_ANSWER_BYTES = 16 << 20
# A score and its error; an image's scores have none.
BYTES_PER_SCORE = 16
BYTES_PER_PIXEL_SCORE = 8


async def fold(events: AsyncIterable[Event]) -> pb.ExplainResponse:
    """Merge header, final estimates and summary; everything else is passed over.

    Raises:
        FailedPreconditionError: the answer would be too large for one message.
    """
    response = pb.ExplainResponse()
    chunks: dict[tuple[int, int], list[pb.Estimate]] = {}
    async for event in events:
        if event.HasField("header"):
            response.header.CopyFrom(event.header)
            _refuse_large(response.header)
        elif event.HasField("more_header"):
            merge_header(response.header, event.more_header)
            _refuse_large(response.header)
        elif event.HasField("more_targets"):
            response.summary.targets.extend(event.more_targets.targets)
        elif event.HasField("summary"):
            response.summary.MergeFrom(event.summary)
        elif event.HasField("estimate") and event.estimate.final:
            chunks.setdefault((event.estimate.target, event.estimate.window), []).append(event.estimate)
    response.estimates.extend(_merged(chunks[key]) for key in sorted(chunks))
    return response


def _refuse_large(header: pb.Header) -> None:
    """Refuse an answer before the work on it starts: once its windows are known, so is its size."""
    shape = header.image_shape
    pixels, scores = shape.channels * shape.height * shape.width, sum(_scores(header))
    size = scores * BYTES_PER_SCORE + pixels * BYTES_PER_PIXEL_SCORE * len(header.targets)
    if header.ByteSize() + size > MAX_ANSWER_BYTES:
        raise FailedPreconditionError(
            f"the answer would be larger than {MAX_ANSWER_BYTES >> 20} MiB, too large for one message; "
            "ask for a stream (StreamExplain)",
            reason="ANSWER_TOO_LARGE",
        )


def _scores(header: pb.Header) -> Iterator[int]:
    """For each target the number of tokens of the windows that it is about."""
    lengths = [len(window.tokens.ids) for window in header.windows]
    of_candidate: Counter[int] = Counter()
    for window, length in zip(header.windows, lengths, strict=True):
        of_candidate[window.candidate] += length
    of_all = of_candidate.total()
    for target in header.targets:
        if target.HasField("window") and target.window < len(lengths):
            count = target.window_count if target.HasField("window_count") else 1
            yield sum(lengths[target.window : target.window + count])
        else:
            yield of_candidate[target.candidate] if target.HasField("candidate") else of_all


def _merged(chunks: list[pb.Estimate]) -> pb.Estimate:
    """One estimate of all tokens, from chunks of consecutive tokens."""
    first, *rest = sorted(chunks, key=lambda chunk: chunk.first_token)
    merged = pb.Estimate()
    merged.CopyFrom(first)
    for chunk in rest:
        merged.scores.extend(chunk.scores)
        merged.score_errors.extend(chunk.score_errors)
    return merged
