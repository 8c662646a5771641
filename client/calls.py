"""What one call needs, worked out in one place for every client."""

import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from ligserve.client.answer_size import may_be_large
from ligserve.client.channel import ClientConfig
from ligserve.client.errors import InvalidRequestError
from ligserve.client.failures import Failure, FieldViolation
from ligserve.client.fields import FieldScope
from ligserve.client.local_failures import Asked, above_limit
from ligserve.client.options import (
    UNSET,
    ExplainKeywords,
    ExplainOptions,
    Metadata,
    Timeout,
    check_timeout,
)
from ligserve.client.requests import explain_request
from ligserve.client.tasks import Task
from ligserve.v1 import explanation_service_pb2 as service_pb
from ligserve.v1 import model_service_pb2 as model_pb

REQUEST_ID_KEY: Final = "x-request-id"
MODELS_PER_PAGE: Final = 1000
# Nobody sees the estimates of a stream that is read to its end for its result; the longest that is allowed.
SELDOM_S: Final = 60.0

Pairs = tuple[tuple[str, str | bytes], ...]


@dataclass(frozen=True, slots=True)
class CallSettings:
    """What goes with a request: the seconds that it may take, and the metadata; and where it goes.

    Attributes:
        begun: when the time started to count, in seconds of the monotonic clock.
    """

    timeout: float | None
    metadata: Pairs
    request_id: str
    server: str
    begun: float = field(default_factory=time.monotonic)

    @property
    def left(self) -> float | None:
        """What is left of the timeout, in seconds from 0; None: there is no end to it."""
        used = time.monotonic() - self.begun
        return None if self.timeout is None else max(0.0, self.timeout - used)

    @property
    def asked(self) -> Asked:
        """What an error says of the call."""
        return Asked(self.request_id, self.server, self.timeout)


@dataclass(frozen=True, slots=True)
class ExplainCall:
    """An explanation to ask for: the request, its settings, and the texts that offsets point into."""

    request: service_pb.ExplainRequest
    settings: CallSettings
    texts: tuple[str, ...]

    @property
    def long(self) -> bool:
        """Whether the answer may be too large for one message, and so is better read as a stream."""
        return may_be_large(self.request, self.texts)


def call_settings(
    config: ClientConfig,
    timeout: Timeout = UNSET,
    metadata: Metadata = (),
    request_id: str | None = None,
) -> CallSettings:
    """The settings of one call, from the client's and the call's own.

    Raises:
        TypeError: the timeout is not a number.
        ValueError: the timeout is out of range, or metadata, the token or the request id cannot be sent.
    """
    identifier = request_id or uuid.uuid4().hex
    own: Pairs = ((REQUEST_ID_KEY, identifier),)
    if config.token is not None:
        own += (("authorization", f"Bearer {config.token}"),)
    seconds = config.timeout if timeout is UNSET else timeout
    check_timeout(seconds)
    pairs = (*_pairs(config.metadata), *_pairs(metadata), *own)
    for key, value in pairs:
        _check_pair(key, value)
    return CallSettings(seconds, pairs, identifier, config.server)


def explain_call(config: ClientConfig, model: str, task: Task, keywords: ExplainKeywords) -> ExplainCall:
    """An explanation to ask for, checked before anything is sent.

    Raises:
        InvalidRequestError: a value cannot be carried by the wire, or is too large for it.
        TypeError: the task is none, or a value is of the wrong type.
        ValueError: an option's value is unknown.
    """
    if not isinstance(task, Task):
        raise TypeError(f"task must be one such as SequenceClassification(text), is {type(task).__name__}")
    options = ExplainOptions(**keywords)
    settings = call_settings(config, options.timeout, options.metadata, options.request_id)
    _refuse_oversized(task.texts, config.max_message_bytes)
    return ExplainCall(explain_request(model, task, options), settings, task.texts)


def get_model_request(name: str) -> model_pb.GetModelRequest:
    """Asks for one model.

    Raises:
        InvalidRequestError: the name cannot be sent.
    """
    scope = FieldScope()
    request = model_pb.GetModelRequest(name=scope.text("name", name))
    scope.refuse_violations()
    return request


def list_models_request(page_token: str) -> model_pb.ListModelsRequest:
    """Asks for a page of the models; the empty token asks for the first."""
    return model_pb.ListModelsRequest(page_size=MODELS_PER_PAGE, page_token=page_token)


def _refuse_oversized(texts: Iterable[str], max_message_bytes: int) -> None:
    """Refuse texts that no message can carry before time and memory are spent on encoding them.

    Raises:
        InvalidRequestError: they have more characters than a message may have bytes.
    """
    size = sum(len(text) for text in texts if isinstance(text, str))
    if size > max_message_bytes:
        sentence = above_limit("request", f"over {size}", str(max_message_bytes), ours=True)
        failure = Failure(details=sentence, violations=(FieldViolation("request", sentence),))
        raise InvalidRequestError(sentence, failure)


def _check_pair(key: str, value: str | bytes) -> None:
    # gRPC's own refusal names neither the key nor what is wrong. The value may be a secret.
    if isinstance(value, bytes) and not key.endswith("-bin"):
        raise ValueError(f"metadata {key!r} has bytes, so its name must end with -bin")
    if isinstance(value, str) and not (value.isascii() and value.isprintable()):
        raise ValueError(f"metadata {key!r} must be printable ASCII")


def _pairs(metadata: Metadata) -> Pairs:
    items = metadata.items() if isinstance(metadata, Mapping) else metadata
    return tuple((key.lower(), value) for key, value in items)
