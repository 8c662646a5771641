"""A progress bar on standard error, where that is a terminal."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from ligserve.client.sync_stream import ExplanationStream
from ligserve.client.types.events import Event, HeaderEvent, ProgressEvent
from ligserve.client.types.explanation import Explanation


def explained_with_progress(stream: ExplanationStream) -> Explanation:
    """Read a stream to its end, showing how far it is.

    Raises:
        LigserveError: any of its tree.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        return stream.result()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("asking", total=None)
        for event in stream:
            _show(progress, bar, event)
    return stream.result()


def _show(progress: Progress, bar: TaskID, event: Event) -> None:
    match event:
        case HeaderEvent():
            progress.update(bar, description="explaining")
        case ProgressEvent(queue_position=place) if place > 0:
            progress.update(bar, description=f"waiting, place {place} in the queue")
        case ProgressEvent(points_done=done, points_planned=planned):
            progress.update(bar, description="explaining", completed=done, total=planned or None)
