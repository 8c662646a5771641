"""One request in a worker: from its plan, through the engine, to events."""

from ligserve.server.large_messages import opening
from ligserve.server.workers.engine.engine import Engine
from ligserve.server.workers.engine.path import Path
from ligserve.server.workers.jobs import events
from ligserve.server.workers.jobs.assignment import Assignment
from ligserve.server.workers.jobs.part import Part
from ligserve.server.workers.quadrature import NodeValue
from ligserve.v1 import explanation_service_pb2 as pb


class Job:
    """A request on its way; hears from its parts and tells the front (a PartListener)."""

    def __init__(self, assignment: Assignment) -> None:
        self._assignment = assignment
        self._channel = assignment.channel
        self._parts = [
            Part(self, window, path, assignment, preview=assignment.run.preview)
            for window, path in enumerate(assignment.plan.paths)
        ]

    def start(self, engine: Engine) -> None:
        """Have every path predicted and integrated."""
        engine.submit(*self.paths)

    @property
    def paths(self) -> list[Path]:
        """What the engine has to do, to be submitted together."""
        return [part.path for part in self._parts]

    def cancel(self) -> None:
        """Stop; the front hears that the job ended. From any thread."""
        self._stop_paths()
        self._channel.end()

    def part_predicted(self) -> None:
        """The header goes out once all is predicted, before the first gradient."""
        if all(part.logits is not None for part in self._parts):
            header = events.header(self._assignment, self._parts)
            self._channel.tell_all(opening(header))

    def part_moved(self) -> None:
        """A sign of life."""
        self._channel.tell_progress(self._progress)

    def part_previewed(self, part: Part, value: NodeValue) -> None:
        """What the input's own point tells."""
        self._channel.tell_estimates(events.previews(part, value))

    def part_refined(self, part: Part) -> None:
        """An estimate, if one is wanted and the part's last one is old enough."""
        if part.pace.due():
            self._channel.tell_estimates(events.estimates(part))

    def part_finished(self, part: Part) -> None:
        """The part's last estimates; after the last part the summary, and the end."""
        self._channel.tell_estimates(events.estimates(part))
        if all(each.finished_already for each in self._parts):
            costs = [path.cost for path in self.paths]
            self._assignment.finish(events.explained(self._parts), events.summaries(self._parts), costs)

    def failed(self, error: Exception) -> None:
        """The front hears why; the other parts are for nobody."""
        self._stop_paths()
        self._channel.end(error)

    def _progress(self) -> pb.Progress:
        return pb.Progress(
            points_done=sum(path.cost.points_there for path in self.paths),
            points_planned=sum(path.planned for path in self.paths),
        )

    def _stop_paths(self) -> None:
        for path in self.paths:
            path.cancel()
