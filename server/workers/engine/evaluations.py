"""What is evaluated at a path's points, and what of them is known without a batch."""

from collections.abc import Callable, Sequence

from ligserve.server.workers.engine.kept_path import KeptPath, values_at
from ligserve.server.workers.engine.known_points import Lacking
from ligserve.server.workers.engine.outputs import Output
from ligserve.server.workers.engine.point_value import PointValue
from ligserve.server.workers.engine.spec import PathSpec
from ligserve.server.workers.quadrature import NodeValue

# What is needed at a point, by its alpha.
Needed = Callable[[float], tuple[Output, ...]]


class Evaluations:
    """The outputs that batches work out at a path's points.

    Args:
        spec: the path.
        basis: outputs that are evaluated in place of those that are needed, which follow from them, where
            points are kept; empty for none.
    """

    def __init__(self, spec: PathSpec, basis: Sequence[Output]) -> None:
        self._spec = spec
        self._basis = tuple(basis)
        self._kept: KeptPath | None = None
        # Of points that are known in part: what else is to be evaluated there.
        self._lacking: dict[float, Lacking] = {}

    def keep(self, kept: KeptPath | None) -> None:
        """From now on `kept` takes all points, and tells those that are known from before."""
        self._kept = kept

    def at(self, alpha: float, needed: tuple[Output, ...]) -> tuple[Output, ...]:
        """What is evaluated at a point, for outputs that are needed."""
        return self._lacking.get(alpha, self._usual(needed))

    def lack(self, alpha: float, outputs: tuple[Output, ...]) -> None:
        """Have these evaluated at a point."""
        self._lacking[alpha] = outputs

    def known(self, alphas: Sequence[float], needed: Needed) -> dict[float, NodeValue]:
        """The values of those points that need no batch; of others it is noted what they lack."""
        if self._kept is None or not alphas:
            return {}
        known = self._kept.values(alphas, needed)
        found = {alpha: value for alpha, value in known.items() if isinstance(value, NodeValue)}
        others = [alpha for alpha in alphas if alpha not in found]
        known = self._kept.values(others, lambda alpha: self._usual(needed(alpha)))
        self._lacking = {alpha: value for alpha, value in known.items() if not isinstance(value, NodeValue)}
        return found

    def explained(
        self, values: Sequence[PointValue], outputs: Sequence[tuple[Output, ...]], needed: Needed
    ) -> dict[float, NodeValue | Lacking]:
        """The values of what is needed, from those of what was evaluated and what was known before."""
        if self._kept is None:
            return {alpha: value for alpha, value, _ in values}
        tells = self._spec.tells_others
        points = {
            alpha: self._kept.put(alpha, logits if tells else None, evaluated, value)
            for (alpha, value, logits), evaluated in zip(values, outputs, strict=True)
        }
        return values_at(points, needed)

    def _usual(self, needed: tuple[Output, ...]) -> tuple[Output, ...]:
        """What is evaluated at points of which nothing is known."""
        kept = self._kept
        if self._basis and kept is not None and not kept.closed and self._spec.tells_others:
            return self._basis
        return needed
