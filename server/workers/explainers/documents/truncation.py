"""What is left of a text whose end was cut off, since the request would have it so."""

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from ligserve.server.workers.explainers.documents.long_input import Cut
from ligserve.server.workers.explainers.plans.plan import Plan
from ligserve.v1 import explanation_service_pb2 as pb


def telling_the_loss(plan: Plan, cut: Cut) -> Plan:
    """The plan of a row, with a header that says so where its end was cut off."""
    if not cut.lost:
        return plan

    def told(logits: Sequence[Tensor]) -> pb.Header:
        header = plan.outcome(logits)
        header.truncated_tokens = cut.lost
        message = f"the last {cut.lost} tokens of {cut.source.field} were cut off: the model never saw them"
        header.warnings.add(code="TEXT_TRUNCATED", message=message)
        return header

    return replace(plan, outcome=told)
