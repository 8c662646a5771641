"""Explain a sentence on a real model, through a real server: make demo.

Starts the server as an operator would, asks it two things at once through the Python client, writes the
answer as a page of HTML and stops the server again.
"""

import argparse
import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from ligserve.client import ClassTarget, Client, Explanation, LigserveError, SequenceClassification

SENTENCE = "I love you, I like you, I also kinda dislike you"
READY = "ligserve ready on "
STOP_SECONDS = 60


class DemoError(Exception):
    """Something did not go as it should; the message says what."""


def main() -> int:
    """Run the demo; 0 if all of it worked."""
    arguments = parse()
    try:
        with server(arguments.model) as address, Client(address) as client:
            say(f"The server is ready on {address}. The sentence:", f"  {SENTENCE}")
            say(
                "Which words made the model predict what it predicts, and which speak for NEGATIVE?",
                "One request asks both: the answers share every pass of the model.",
            )
            targets = [ClassTarget(), ClassTarget("NEGATIVE")]
            explanation = client.explain("sentiment", SequenceClassification(SENTENCE, targets))
        show(explanation, arguments.html)
    except (DemoError, LigserveError, OSError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    return 0


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("build/models/sentiment"))
    parser.add_argument("--html", type=Path, default=Path("build/demo.html"))
    return parser.parse_args()


@contextlib.contextmanager
def server(model: Path) -> Iterator[str]:
    """A running server with the model; gives its address. It is asked to stop on the way out.

    Raises:
        DemoError: the server did not start, or did not stop in good order.
    """
    ligserve = str(Path(sys.executable).with_name("ligserve"))
    command = [ligserve, "serve", "--model", f"sentiment={model}", "--listen", "127.0.0.1:0"]
    say("Starting the server; the lines with a time are its log.", f"  {' '.join(command)}")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield address_of(process)
            process.send_signal(signal.SIGTERM)
            code = process.wait(STOP_SECONDS)
        except BaseException:
            process.kill()
            raise
    if code != 0:
        raise DemoError(f"the server stopped with exit code {code}")


def address_of(process: subprocess.Popen[str]) -> str:
    """Wait until the server says that it can answer, and where.

    Raises:
        DemoError: it ended before.
    """
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(READY):
            return line.removeprefix(READY).strip()
    raise DemoError("the server did not start; its log above says why")


def show(explanation: Explanation, page: Path) -> None:
    """Print the answer, in words and in colours, and write it as a page."""
    say("The server has stopped in good order. This is what it answered:", "")
    explanation.print()
    for target in explanation.targets:
        change = target.f_input - target.f_baseline
        say(
            f"P({target.label}) is {target.f_input:.4f} for the sentence, and {target.f_baseline:.4f}",
            f"with every word blanked out. The scores explain the difference of {change:+.4f}: they add",
            f"up to {target.score_sum:+.4f}, certified to +-{target.error_bound:.2g}.",
        )
    page.parent.mkdir(parents=True, exist_ok=True)
    explanation.save_html(page)
    say(f"The same as a page for a browser: {page}")


def say(*lines: str) -> None:
    """Print a step of the demo."""
    print("", *lines, sep="\n", flush=True)


if __name__ == "__main__":
    sys.exit(main())
