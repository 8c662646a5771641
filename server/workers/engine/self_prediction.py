"""Which paths need no forward pass for their prediction."""

from collections.abc import Sequence

from ligserve.server.workers.engine.outputs import Output
from ligserve.server.workers.engine.spec import PathSpec
from ligserve.server.workers.quadrature import LockStepRule, QuadratureRule
from ligserve.v1 import explanation_pb2 as pb

# Every target is a backward pass over its batch; after so many of them other batches get their turn.
OUTPUTS_PER_TURN = 2


def predicts_itself(
    spec: PathSpec, rule: QuadratureRule, most_outputs: int, basis: Sequence[Output] = ()
) -> bool:
    """Whether the first batch of a path's points can tell its prediction.

    There what the model looks up for the input is replaced by the same, in the model's own arithmetic; only
    the order of its sums may be another, whose rounding some models multiply. Where there may be so many
    outputs that they take turns, a forward pass beforehand tells how many.

    Args:
        spec: the path.
        rule: how it is integrated.
        most_outputs: how many outputs are explained at most.
        basis: outputs that are evaluated in their place; empty for none.
    """
    if isinstance(rule, LockStepRule) or basis or most_outputs > OUTPUTS_PER_TURN:
        return False
    as_deployed = spec.prediction_row is spec.row and spec.precision == pb.PRECISION_FLOAT32
    as_deployed &= spec.model.same_in_batches
    return as_deployed and rule.start()[:1] == [1.0]
