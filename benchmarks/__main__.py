"""Run the benchmark: python -m benchmarks --model DIRECTORY [--report FILE]."""

import argparse
import contextlib
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from benchmarks.measure import Line, lines
from benchmarks.process import BenchmarkError, ContenderProcess
from benchmarks.table import markdown
from benchmarks.truth import Truth
from benchmarks.workloads import CONTENDERS, WORKLOADS

PACKAGES = ("ligserve", "transformers-interpret", "captum", "torch", "transformers")
NOTES = """\
One run, every contender in a process of its own, in turn on every text. Speed is the median over texts and
repetitions of the library's time / the contender's time, for calls that followed each other; ligserve's calls
go through its client and its server. Peak memory is resident memory at its highest (for ligserve the client,
the front and the worker together, all accuracies so far). True error is |sum of the scores - difference|
relative to the larger of |difference| and the sum of |scores|, where difference = f(input) - f(baseline) is
worked out apart with plain torch.
"""


def main() -> int:
    """Measure, print the table and write the report; 0 if all contenders answered."""
    arguments = parse()
    try:
        table = markdown(measure(arguments))
    except BenchmarkError as error:
        print(error, file=sys.stderr)
        return 1
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    setting = f"{arguments.texts} texts, {arguments.repetitions} repetitions, {arguments.threads} threads"
    report = f"{table}\n\n{NOTES}\n{setting}; {versions}.\n"
    print(report)
    if arguments.report:
        arguments.report.parent.mkdir(parents=True, exist_ok=True)
        arguments.report.write_text(f"# Benchmark\n\n{report}")
    return 0


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="directory of the sentiment model")
    parser.add_argument("--report", type=Path, help="Markdown file to write")
    parser.add_argument("--texts", type=int, default=8, help="texts of each length, 1 to 20 (8)")
    parser.add_argument("--repetitions", type=int, default=3, help="times that each text is explained (3)")
    parser.add_argument("--threads", type=int, default=2, help="torch threads of each contender (2)")
    return parser.parse_args()


def measure(arguments: argparse.Namespace) -> list[Line]:
    """Start the contenders and measure every workload, the shortest first.

    Raises:
        BenchmarkError: a contender failed.
    """
    truth = Truth(arguments.model)
    with contextlib.ExitStack() as stack:
        processes = {
            name: stack.enter_context(ContenderProcess(name, arguments.model, arguments.threads))
            for name in CONTENDERS
        }
        measured: list[Line] = []
        for workload in WORKLOADS:
            print(f"measuring {workload.name} ...", file=sys.stderr, flush=True)
            chosen = replace(workload, texts=workload.texts[: arguments.texts])
            measured += lines(chosen, processes, truth, arguments.repetitions)
    return measured


if __name__ == "__main__":
    sys.exit(main())
