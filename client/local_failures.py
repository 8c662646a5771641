"""Failures that gRPC itself reports, in words that say what to do; the server had no part in them."""

import re
from dataclasses import dataclass, replace
from typing import Final

import grpc

from ligserve.client.failures import Failure, FieldViolation
from ligserve.v1 import explanation_service_pb2 as service_pb

# "CLIENT: Sent message larger than max (2009 vs. 1000)"; older gRPC does not name the side.
_TOO_LARGE: Final = re.compile(
    r"(?P<side>CLIENT|SERVER)?(?:: )?(?P<deed>Sent|Received) message larger than max "
    r"\((?P<size>\d+) vs\.? (?P<limit>\d+)\)"
)


@dataclass(frozen=True, slots=True)
class Asked:
    """The call that failed, as the caller made it: its identifier, the address, and the seconds it had.

    Attributes:
        server_did: what the server did when it was last heard of; empty where it was not.
    """

    request_id: str = ""
    server: str = ""
    timeout: float | None = None
    server_did: str = ""

    def after(self, message: service_pb.StreamExplainResponse) -> "Asked":
        """The same call once a message of its stream has come."""
        if message.HasField("progress"):
            return replace(self, server_did=_deed(message.progress))
        return self if self.server_did.startswith(AT_WORK) else replace(self, server_did=AT_WORK)


NOT_SAID: Final = Asked()
TEXT_REMEDY: Final = "shorten the text, or send it in parts"
AT_WORK: Final = "the server was at work"


def reworded(failure: Failure, asked: Asked) -> Failure:
    """The failure with a sentence for the caller, where gRPC's own names no cause."""
    if failure.code is grpc.StatusCode.DEADLINE_EXCEEDED and asked.server:
        return replace(failure, details=_too_late(asked))
    if failure.code is grpc.StatusCode.RESOURCE_EXHAUSTED and (found := _TOO_LARGE.search(failure.details)):
        sentence = _too_large(found)
        return replace(failure, details=sentence, violations=(FieldViolation("request", sentence),))
    return failure


def _too_late(asked: Asked) -> str:
    if asked.timeout is None:
        return f"no answer from {asked.server} in time"
    within = f"no answer from {asked.server} within {asked.timeout:g} s"
    did = f"; {asked.server_did}" if asked.server_did else ""
    return f"{within}{did}; give it a longer timeout (timeout=, or --timeout) if it is to take longer"


def _deed(progress: service_pb.Progress) -> str:
    if progress.queue_position > 0:
        return f"the request waited in its queue, at place {progress.queue_position}"
    if progress.windows_predicted < progress.windows:
        return f"{AT_WORK}, with {progress.windows_predicted} of {progress.windows} windows predicted"
    if progress.windows:
        return f"{AT_WORK}, with {progress.windows_done} of {progress.windows} windows explained"
    if progress.points_planned:
        return f"{AT_WORK}, with {progress.points_done} of {progress.points_planned} points done"
    return AT_WORK


def _too_large(found: re.Match[str]) -> str:
    side, deed, size, limit = found.group("side", "deed", "size", "limit")
    what = "answer" if (side, deed) in (("CLIENT", "Received"), ("SERVER", "Sent")) else "request"
    ours = side == "CLIENT" or (side is None and deed == "Sent")
    # What the request holds is not known here.
    other = "or, of an image, send a smaller one" if what == "request" else "or ask for fewer targets at once"
    return above_limit(what, size, limit, f"{TEXT_REMEDY}; {other}", ours=ours)


def above_limit(what: str, size: str, limit: str, remedy: str = TEXT_REMEDY, *, ours: bool) -> str:
    """The sentence about a message that is too large; `ours`: for this client, rather than for the server."""
    whose = "this client's limit (max_message_bytes)" if ours else "the server's limit"
    return f"the {what} has {size} bytes, above {whose} of {limit}: {remedy}"
