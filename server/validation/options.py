"""Rules of ExplainOptions and StreamOptions."""

from google.protobuf.duration_pb2 import Duration

from ligserve.server.validation.rules import Violations
from ligserve.v1 import explanation_pb2 as pb
from ligserve.v1 import explanation_service_pb2 as service_pb

MAX_STEPS = 4096
MIN_POINTS, MAX_POINTS = 17, 16384
MAX_BASELINES = 16
MAX_ESTIMATE_INTERVAL_S = 60


def check_options(found: Violations, options: pb.ExplainOptions) -> None:
    """Check ranges and enums; whether a part is built is checked elsewhere."""
    found.known_enum("options.convention", options.convention, pb.Convention)
    found.known_enum("options.output_space", options.output_space, pb.OutputSpace)
    found.known_enum("options.embedding_layer", options.embedding_layer, pb.EmbeddingLayer)
    found.known_enum("options.precision", options.precision, pb.Precision)
    if len(options.baselines) > MAX_BASELINES:
        count = len(options.baselines)
        found.add("options.baselines", f"holds {count} baselines, but may hold at most {MAX_BASELINES}")
    if options.HasField("fixed_steps"):
        _check_fixed_steps(found, options.fixed_steps)
    if options.HasField("tolerance"):
        _check_tolerance(found, options.tolerance)
    if options.long_input.HasField("window"):
        _check_window(found, options.long_input.window)


def _check_window(found: Violations, window: pb.LongInput.Window) -> None:
    """Check what can be known without the model, whose length limits the stride."""
    path = "options.long_input.window"
    found.known_enum(f"{path}.aggregate", window.aggregate, pb.LongInput.Window.Aggregate)
    if window.HasField("stride") and not window.stride:
        found.add(f"{path}.stride", "is 0, but must be at least 1")


def _check_fixed_steps(found: Violations, steps: pb.FixedSteps) -> None:
    path = "options.fixed_steps"
    found.known_enum(f"{path}.rule", steps.rule, pb.QuadratureRule)
    if steps.HasField("n_steps"):
        found.whole_number(f"{path}.n_steps", steps.n_steps, 1, MAX_STEPS)


def _check_tolerance(found: Violations, tolerance: pb.Tolerance) -> None:
    path = "options.tolerance"
    # Written so that NaN, for which every comparison is false, is refused too.
    if tolerance.HasField("relative") and not 0 < tolerance.relative <= 1:
        found.add(f"{path}.relative", f"is {tolerance.relative}, but must be above 0 and at most 1")
    if tolerance.HasField("max_points"):
        found.whole_number(f"{path}.max_points", tolerance.max_points, MIN_POINTS, MAX_POINTS)


def check_stream(found: Violations, stream: service_pb.StreamOptions) -> None:
    """Check how an answer is streamed."""
    if not stream.HasField("estimate_interval"):
        return
    interval = duration_seconds(stream.estimate_interval)
    if not 0 <= interval <= MAX_ESTIMATE_INTERVAL_S:
        found.add(
            "stream.estimate_interval",
            f"is {interval:g} s, but must be from 0 to {MAX_ESTIMATE_INTERVAL_S} s",
        )


def duration_seconds(duration: Duration) -> float:
    """Seconds of a duration, whatever it holds (ToTimedelta raises out of its range)."""
    return duration.seconds + duration.nanos / 1e9
