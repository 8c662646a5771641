"""A stream of events, folded into the finished explanation."""

from collections.abc import AsyncIterable

from ligserve.server.pool.events import Event
from ligserve.v1 import explanation_service_pb2 as pb


async def fold(events: AsyncIterable[Event]) -> pb.ExplainResponse:
    """Merge header, final estimates and summary; everything else is passed over."""
    response = pb.ExplainResponse()
    chunks: dict[tuple[int, int], list[pb.Estimate]] = {}
    async for event in events:
        if event.HasField("header"):
            response.header.CopyFrom(event.header)
        elif event.HasField("summary"):
            response.summary.CopyFrom(event.summary)
        elif event.HasField("estimate") and event.estimate.final:
            chunks.setdefault((event.estimate.target, event.estimate.window), []).append(event.estimate)
    response.estimates.extend(_merged(chunks[key]) for key in sorted(chunks))
    return response


def _merged(chunks: list[pb.Estimate]) -> pb.Estimate:
    """One estimate of all tokens, from chunks of consecutive tokens."""
    first, *rest = sorted(chunks, key=lambda chunk: chunk.first_token)
    merged = pb.Estimate()
    merged.CopyFrom(first)
    for chunk in rest:
        merged.scores.extend(chunk.scores)
        merged.score_errors.extend(chunk.score_errors)
    return merged
