"""What a server logs, as it logs it: events that tests wait for."""

import json
import threading
from pathlib import Path
from typing import IO, Any

PATIENCE_S = 120


class ServerLog:
    """Follows a server's standard error to its end, and keeps it in a file for whoever reads a failure."""

    def __init__(self, stream: IO[str], path: Path) -> None:
        self._stream = stream
        self._path = path
        self._lines: list[str] = []
        self._grown = threading.Condition()
        self._follower = threading.Thread(target=self._follow, name="server log", daemon=True)
        self._follower.start()

    def __len__(self) -> int:
        with self._grown:
            return len(self._lines)

    def text(self) -> str:
        """Everything so far."""
        with self._grown:
            return "".join(self._lines)

    def wait_for(self, event: str, *, after: int = 0, **fields: object) -> dict[str, Any]:
        """The first line of that event with those fields, among those after the first so many.

        Raises:
            AssertionError: it does not come.
        """
        with self._grown:
            found = self._grown.wait_for(lambda: self._found(event, after, fields), PATIENCE_S)
        assert found, f"no {event!r} with {fields} in\n{self.text()}"
        return found

    def events(self, event: str) -> list[dict[str, Any]]:
        """The lines of that event so far."""
        with self._grown:
            entries = [json.loads(line) for line in self._lines if line.startswith("{")]
        return [entry for entry in entries if entry.get("event") == event]

    def close(self) -> None:
        """Wait for the end of the stream: the server and all of its workers have closed it."""
        self._follower.join()

    def _found(self, event: str, after: int, fields: dict[str, object]) -> dict[str, Any] | None:
        wanted = {"event": event, **fields}
        for line in self._lines[after:]:
            entry = json.loads(line) if line.startswith("{") else {}
            if wanted.items() <= entry.items():
                return entry
        return None

    def _follow(self) -> None:
        with self._path.open("w") as copy:
            for line in self._stream:
                copy.write(line)
                copy.flush()
                with self._grown:
                    self._lines.append(line)
                    self._grown.notify_all()
