"""Which arithmetic a request's paths are computed in."""

from ligserve.server.errors import FailedPreconditionError
from ligserve.server.workers.models.loaded import LoadedModel
from ligserve.server.workers.models.precision import Precision, device_lack, precision_name
from ligserve.v1 import explanation_pb2 as pb


def chosen_precision(
    options: pb.ExplainOptions, convention: "pb.Convention.ValueType", model: LoadedModel
) -> Precision:
    """What is asked for; by default the model's own, but what the library computes in in LIBRARY.

    Raises:
        FailedPreconditionError: the model or its device has no such arithmetic.
    """
    if not options.precision:
        return pb.PRECISION_FLOAT32 if convention == pb.CONVENTION_LIBRARY else model.precisions[0]
    if options.precision not in model.precisions:
        names = ", ".join(map(precision_name, model.precisions))
        lack = device_lack(options.precision, model.device)
        raise FailedPreconditionError(
            f"model '{model.name}' is not computed in {precision_name(options.precision)} here"
            f"{f': {lack}' if lack else ''}; it takes {names}",
            reason="PRECISION_UNSUPPORTED",
        )
    return options.precision
