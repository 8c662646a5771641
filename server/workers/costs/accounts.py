"""What requests cost: told before, held against the server's limit, and learnt from."""

from collections.abc import Mapping

from google.protobuf.duration_pb2 import Duration

from ligserve.server.workers.costs.cost_limit import refuse_costly
from ligserve.server.workers.costs.forecast import Forecast
from ligserve.server.workers.costs.learnt_points import LearntPoints
from ligserve.server.workers.costs.plan_forecast import forecast
from ligserve.server.workers.engine.engine import Engine
from ligserve.server.workers.engine.path_cost import PathCost
from ligserve.server.workers.explainers import Plan
from ligserve.v1 import explanation_service_pb2 as pb

# What the figures of the documentation are corrected by: nothing.
AS_DOCUMENTED = 1.0
_MOST_UINT32 = (1 << 32) - 1


class Accounts:
    """The books of a worker.

    Args:
        limits: most token passes of one request, by model; 0 or none: no limit.
        engine: what computes, and knows how fast it is.
    """

    def __init__(self, limits: Mapping[str, int], engine: Engine) -> None:
        self._limits = limits
        self._engine = engine
        self._learnt = LearntPoints()

    def told(self, plan: Plan, planning_s: float) -> pb.EstimateCostResponse:
        """What a plan will cost, which took so many seconds to make.

        Raises:
            FailedPreconditionError: the input does not fit the model.
        """
        if plan.document is None:
            for path in plan.paths:
                path.spec.check()
        known = forecast(plan, keeps_points=self._engine.keeps_points)
        workload, budget = plan.paths[0].spec.workload, self._engine.budgets.of(plan.model)
        correction = self._learnt.correction(workload, known.kind, known.tolerance)
        expected = known.expected(correction.ratio, budget)
        return pb.EstimateCostResponse(
            windows=known.windows,
            targets=known.targets,
            targets_may_be_fewer=known.may_explain_less,
            expected=self._cost(plan, expected, planning_s),
            maximum=self._cost(plan, known.at_most(budget), planning_s),
            learnt_from=correction.requests,
            judged_token_passes=self._judged(plan, known).token_passes,
            max_token_passes=self._limits.get(plan.model.name, 0),
        )

    def admit(self, plan: Plan) -> Forecast:
        """Let a plan pass that costs no more than the limit.

        Raises:
            InvalidArgumentError: it costs more.
        """
        known = forecast(plan, keeps_points=self._engine.keeps_points)
        refuse_costly(known, self._judged(plan, known), self._limits.get(plan.model.name, 0))
        return known

    def explaining_s(self, plan: Plan, known: Forecast, forward_s: float) -> float:
        """Seconds that the points of a plan are expected to take if they are alone.

        Before the engine's first batch at least these, by what a token takes to go forward.
        """
        spec = plan.paths[0].spec
        correction = self._learnt.correction(spec.workload, known.kind, known.tolerance)
        cost = known.expected_points(correction.ratio, self._engine.budgets.of(plan.model))
        seconds = self._engine.speed(spec).seconds(cost.batches, cost.token_passes)
        return forward_s * cost.token_passes if seconds is None else seconds

    def learn(self, plan: Plan, known: Forecast, summary: pb.Summary) -> None:
        """Take in what a request took, unless its deadline cut it."""
        took = summary.cost.points + summary.cost.reused_points
        cut = any(target.stop_reason == pb.STOP_REASON_DEADLINE for target in summary.targets)
        if known.tolerance is None or not known.paths_known or cut or not took:
            return
        ratio = took / self._judged(plan, known).points
        self._learnt.learn(plan.paths[0].spec.workload, known.kind, known.tolerance, ratio)

    def _judged(self, plan: Plan, known: Forecast) -> PathCost:
        return known.expected(AS_DOCUMENTED, self._engine.budgets.of(plan.model))

    def _cost(self, plan: Plan, cost: PathCost, planning_s: float) -> pb.Cost:
        told = pb.Cost(
            points=min(cost.points, _MOST_UINT32),
            rows=min(cost.rows, _MOST_UINT32),
            tokens=cost.tokens,
            batches=min(cost.batches, _MOST_UINT32),
            gradients=cost.gradients,
            token_passes=cost.token_passes,
        )
        seconds = self._engine.speed(plan.paths[0].spec).seconds(cost.batches, cost.token_passes)
        if seconds is not None:
            compute_time = Duration()
            compute_time.FromNanoseconds(round((planning_s + seconds) * 1e9))
            told.compute_time.CopyFrom(compute_time)
        return told
