"""Which worker a request would rather go to: the same one for the same input."""

import hashlib

from ligserve.v1 import explanation_service_pb2 as pb

# Fields of the explainers' messages that hold what is explained; labels and targets may differ.
INPUT_FIELDS = frozenset({"text", "text1", "text2", "question", "context"})


def affinity(request: pb.ExplainRequest, worker_id: str) -> bytes:
    """Rendezvous hashing: the worker with the least value is the request's own.

    A worker that dies or joins moves only the requests that were, or will be, its own.
    """
    digest = hashlib.blake2b(f"{worker_id} {request.model}".encode(), digest_size=8)
    explainer = request.WhichOneof("explainer")
    question = getattr(request, explainer) if explainer else None
    for field in (
        sorted(INPUT_FIELDS & set(question.DESCRIPTOR.fields_by_name)) if question is not None else ()
    ):
        digest.update(f" {field} ".encode() + getattr(question, field).encode())
    return digest.digest()
