"""Events of a document that come before its scores."""

from collections.abc import Iterable, Iterator

from ligserve.server import large_messages
from ligserve.server.workers.explainers import Plan
from ligserve.server.workers.explainers.plans.document_outcome import Outcome
from ligserve.server.workers.explainers.plans.plan import DocumentPlan
from ligserve.server.workers.jobs.assignment import Assignment
from ligserve.v1 import explanation_service_pb2 as pb


def opening(
    assignment: Assignment, outcome: Outcome, warnings: Iterable[pb.Warning] = ()
) -> Iterator[pb.StreamExplainResponse]:
    """The header, with these warnings beside the plan's, and more of it until all is told."""
    plan, document = assignment.plan, assignment.document
    header = pb.Header(
        request_id=assignment.run.request_id,
        model=plan.model.name,
        revision=plan.model.revision,
        convention=plan.convention,
        targets=[each.target for each in outcome.explained],
        warnings=[*plan.warnings, *warnings],
        window_count=len(plan.paths),
        windowed_segment=document.segment,
    )
    header.MergeFrom(outcome.header)
    return large_messages.opening(header, _windows(plan, document, outcome))


def _windows(plan: Plan, document: DocumentPlan, outcome: Outcome) -> Iterator[pb.Window]:
    for index, path in enumerate(plan.paths):
        window = pb.Window(
            index=index,
            tokens=path.tokens,
            share=float(outcome.shares[index]),
            first_token=document.first_tokens[index],
            changes=outcome.changes_in(index),
        )
        window.MergeFrom(outcome.told(index))
        yield window
