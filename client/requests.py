"""From a task and its options to the request on the wire."""

from collections.abc import Iterable

from google.protobuf.duration_pb2 import Duration

from ligserve.client.fields import FieldScope
from ligserve.client.options import (
    LONGEST_TIMEOUT_S,
    BaselineLike,
    ExplainOptions,
    ReferenceText,
    Window,
)
from ligserve.client.quantities import check_number
from ligserve.client.tasks import Task
from ligserve.client.types.enums import (
    Accuracy,
    Aggregate,
    BaselineKind,
    Convention,
    EmbeddingLayer,
    LongInputPolicy,
    OutputSpace,
    Precision,
    QuadratureRule,
)
from ligserve.v1 import explanation_pb2 as pb
from ligserve.v1 import explanation_service_pb2 as service_pb


def explain_request(model: str, task: Task, options: ExplainOptions) -> service_pb.ExplainRequest:
    """The request that asks a task of a model.

    Raises:
        InvalidRequestError: a value cannot be carried by the wire, such as a lone surrogate.
    """
    scope = FieldScope()
    request = service_pb.ExplainRequest(model=scope.text("model", model))
    task.fill(request, scope)
    _fill_options(request.options, options, scope.at("options"))
    scope.refuse_violations()
    return request


def stream_request(
    request: service_pb.ExplainRequest, estimate_interval: float | None, *, preview: bool = False
) -> service_pb.StreamExplainRequest:
    """The request for a stream.

    Args:
        request: the question.
        estimate_interval: the shortest time between two estimates, in seconds; None: the server's default.
        preview: whether a first estimate is wanted after a single point.

    Raises:
        TypeError: the interval is not a number, or preview is not a truth value.
        ValueError: it is NaN, or the wire cannot carry it.
    """
    if not isinstance(preview, bool):
        raise TypeError(f"preview must be True or False, is {preview!r}")
    message = service_pb.StreamExplainRequest(request=request)
    message.stream.preview = preview
    if estimate_interval is not None:
        check_number("estimate_interval", estimate_interval)
        # NaN fails every comparison. What else is out of range, the server tells with its field path.
        if not abs(estimate_interval) <= LONGEST_TIMEOUT_S:
            raise ValueError(
                f"estimate_interval must be a number of seconds from 0 to 60; got {estimate_interval}"
            )
        interval = Duration()
        interval.FromNanoseconds(round(estimate_interval * 1e9))
        message.stream.estimate_interval.CopyFrom(interval)
    return message


def cost_request(request: service_pb.ExplainRequest) -> service_pb.EstimateCostRequest:
    """The request for what another one would cost."""
    return service_pb.EstimateCostRequest(request=request)


def _fill_options(message: pb.ExplainOptions, options: ExplainOptions, scope: FieldScope) -> None:
    _fill_accuracy(message, options, scope)
    if isinstance(options.convention, Convention):
        message.convention = pb.Convention.Value(f"CONVENTION_{options.convention.name}")
    if isinstance(options.output_space, OutputSpace):
        message.output_space = pb.OutputSpace.Value(f"OUTPUT_SPACE_{options.output_space.name}")
    if isinstance(options.embedding_layer, EmbeddingLayer):
        message.embedding_layer = pb.EmbeddingLayer.Value(f"EMBEDDING_LAYER_{options.embedding_layer.name}")
    if isinstance(options.precision, Precision):
        message.precision = pb.Precision.Value(f"PRECISION_{options.precision.name}")
    if options.baseline and not isinstance(options.baseline, str | ReferenceText):
        _fill_baselines(message, options.baseline, scope)
    _fill_long_input(message, options, scope)
    message.retargetable = options.retargetable


def _fill_accuracy(message: pb.ExplainOptions, options: ExplainOptions, scope: FieldScope) -> None:
    if options.fixed:
        message.fixed_steps.SetInParent()
    if options.n_steps is not None:
        message.fixed_steps.n_steps = scope.at("fixed_steps").unsigned("n_steps", options.n_steps)
    if isinstance(options.rule, QuadratureRule):
        message.fixed_steps.rule = pb.QuadratureRule.Value(f"QUADRATURE_RULE_{options.rule.name}")
    if options.tolerance is not None:
        message.tolerance.relative = float(options.tolerance)
    if isinstance(options.accuracy, Accuracy):
        message.tolerance.relative = options.accuracy.tolerance
    if options.max_points is not None:
        message.tolerance.max_points = scope.at("tolerance").unsigned("max_points", options.max_points)


def _fill_baselines(message: pb.ExplainOptions, baselines: Iterable[BaselineLike], scope: FieldScope) -> None:
    for i, baseline in enumerate(baselines):
        field, here = message.baselines.add(), scope.at(f"baselines[{i}]")
        match baseline:
            case ReferenceText(text):
                field.reference_text = here.text("reference_text", text)
            case BaselineKind.MASK_TOKEN:
                field.mask_token.SetInParent()
            case BaselineKind.UNKNOWN_TOKEN:
                field.unknown_token.SetInParent()
            case BaselineKind.ZERO_EMBEDDING:
                field.zero_embedding.SetInParent()
            case _:
                field.pad_token.SetInParent()


def _fill_long_input(message: pb.ExplainOptions, options: ExplainOptions, scope: FieldScope) -> None:
    match options.long_input:
        case Window(stride, aggregate):
            window = message.long_input.window
            window.aggregate = pb.LongInput.Window.Aggregate.Value(f"AGGREGATE_{Aggregate(aggregate).name}")
            if stride is not None:
                window.stride = scope.at("long_input.window").unsigned("stride", stride)
        case LongInputPolicy.REFUSE:
            message.long_input.refuse.SetInParent()
        case LongInputPolicy.TRUNCATE:
            message.long_input.truncate.SetInParent()
