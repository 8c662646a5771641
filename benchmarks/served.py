"""ligserve: a server of one worker as a process of its own, asked through the Python client."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from benchmarks.workloads import Accuracy, Answer, Attribution
from ligserve.client import Client, Explanation, SequenceClassification, TokenClassification

MODEL_NAME = "benchmark"
READY = "ligserve ready on "
# A label for each of 40 tokens takes a busy machine longer than a client waits by default.
TIMEOUT_S = 600.0


class Contender:
    """Client and server. With steps the convention is the library's, with a tolerance the model's own.

    Attributes:
        task: what is asked of a text.
    """

    task: type[SequenceClassification] | type[TokenClassification] = SequenceClassification

    def __init__(self, model: Path, threads: int) -> None:
        self._server = start_server(model, threads)
        assert self._server.stdout is not None
        ready = self._server.stdout.readline()
        if not ready.startswith(READY):
            raise RuntimeError("the server did not start; its log is above")
        self._client = Client(ready.removeprefix(READY).strip())

    def explain(self, text: str, accuracy: Accuracy) -> Answer:
        """Explain the predicted class, or every token's."""
        return as_answer(self._ask(text, accuracy), library_inputs=accuracy.steps is not None)

    def close(self) -> None:
        """Stop the client and the server."""
        self._client.close()
        self._server.send_signal(signal.SIGTERM)
        self._server.wait(timeout=60)

    def _ask(self, text: str, accuracy: Accuracy) -> Explanation:
        task = self.task(text)
        if accuracy.steps is not None:
            return self._client.explain(
                MODEL_NAME, task, convention="library", n_steps=accuracy.steps, timeout=TIMEOUT_S
            )
        return self._client.explain(MODEL_NAME, task, tolerance=accuracy.tolerance, timeout=TIMEOUT_S)


def start_server(model: Path, threads: int) -> subprocess.Popen[str]:
    """The server's process, on a free port; its log goes to our standard error."""
    ligserve = str(Path(sys.executable).with_name("ligserve"))
    command = [ligserve, "serve", "--model", f"{MODEL_NAME}={model}", "--listen", "127.0.0.1:0"]
    settings = {"LIGSERVE_THREADS_PER_WORKER": str(threads), "LIGSERVE_LOG_LEVEL": "warning"}
    return subprocess.Popen(
        [*command, "--workers", "1", "--device", "cpu"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **settings},
    )


def as_answer(explanation: Explanation, *, library_inputs: bool) -> Answer:
    """What the benchmark needs of an explanation."""
    attributions = tuple(
        Attribution(target.scores, target.class_index, target.target.token) for target in explanation.targets
    )
    return Answer(attributions, explanation.cost.points, explanation.cost.rows, library_inputs)
