"""Where `ligserve explain` puts its answer, also one that was cut short."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import typer

from ligserve.client.cli.output import show
from ligserve.client.cli.progress import ProgressLines
from ligserve.client.errors import LigserveError
from ligserve.client.rendering.figures import left_figure, unfinished_line
from ligserve.client.rendering.pieces import printable
from ligserve.client.sync_stream import ExplanationStream, explained_with_progress
from ligserve.client.types.explanation import Explanation
from ligserve.client.types.targets import target_names

# With more targets each one's line stands with its scores.
_MOST_TARGETS = 3


@dataclass(frozen=True, slots=True)
class Answer:
    """Where an explanation goes.

    Attributes:
        as_json: print JSON.
        html: a page to write as well.
        progress: tell how far it is; None: where standard error is a terminal.
    """

    as_json: bool
    html: Path | None
    progress: bool | None = None

    def give(self, explanation: Explanation) -> None:
        """Print it, and write the page.

        Raises:
            OSError: the page cannot be written.
        """
        if self.html is not None:
            explanation.save_html(self.html)
        if self.as_json:
            typer.echo(json.dumps(explanation.to_dict(), indent=2))
        else:
            show(explanation)

    def give_when_read(self, stream: ExplanationStream) -> None:
        """Read a stream to its end and give the explanation; where it breaks off, what is final by then.

        Raises:
            KeyboardInterrupt: the user has seen enough.
            LigserveError: any of its tree.
            OSError: the page cannot be written.
        """
        try:
            explanation = self._read(stream)
        except (KeyboardInterrupt, LigserveError):
            # The server need not go on meanwhile.
            stream.close()
            self._give_in_part(stream.so_far())
            raise
        self.give(explanation)

    def _read(self, stream: ExplanationStream) -> Explanation:
        if self.progress is None or (self.progress and sys.stderr.isatty()):
            return explained_with_progress(stream)
        lines = ProgressLines()
        for event in stream:
            if self.progress:
                lines.show(event)
        return stream.result()

    def _give_in_part(self, explanation: Explanation | None) -> None:
        if explanation is None or not any(any(target.scores) for target in explanation.targets):
            return
        self.give(explanation)
        told = explanation.targets if len(explanation.targets) <= _MOST_TARGETS else ()
        named = zip(target_names(told), told, strict=True)
        figures = (f"{name}: {left_figure(target)}" for name, target in named)
        typer.echo(printable(f"ligserve: {'; '.join((unfinished_line(explanation), *figures))}"), err=True)
