"""Events of a document: its header in messages of a bearable size."""

from collections.abc import Iterator

from ligserve.server.workers.explainers import Plan
from ligserve.server.workers.explainers.aggregates import DocumentOutcome
from ligserve.v1 import explanation_service_pb2 as pb

# A message may be larger by one window.
WINDOW_BYTES_PER_MESSAGE = 128 << 10


def opening(request_id: str, plan: Plan, outcome: DocumentOutcome) -> Iterator[pb.StreamExplainResponse]:
    """The header, and more windows until all are told."""
    header = pb.Header(
        request_id=request_id,
        model=plan.model.name,
        revision=plan.model.revision,
        convention=plan.convention,
        prediction=outcome.prediction,
        targets=[each.target for each in outcome.explained],
        warnings=[*plan.warnings, *outcome.warnings()],
        window_count=len(plan.paths),
    )
    batches = _batches(plan, outcome)
    header.windows.extend(next(batches))
    yield pb.StreamExplainResponse(header=header)
    for batch in batches:
        yield pb.StreamExplainResponse(more_windows=pb.MoreWindows(windows=batch))


def _batches(plan: Plan, outcome: DocumentOutcome) -> Iterator[list[pb.Window]]:
    batch: list[pb.Window] = []
    size = 0
    for window in _windows(plan, outcome):
        batch.append(window)
        size += window.ByteSize()
        if size >= WINDOW_BYTES_PER_MESSAGE:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _windows(plan: Plan, outcome: DocumentOutcome) -> Iterator[pb.Window]:
    if plan.document is None:
        raise RuntimeError("the plan is not a document's")
    first_tokens, changes = plan.document.first_tokens, outcome.changes
    for index, path in enumerate(plan.paths):
        yield pb.Window(
            index=index,
            tokens=path.tokens,
            share=float(outcome.shares[index]),
            first_token=first_tokens[index],
            changes=changes[index].tolist(),
        )
