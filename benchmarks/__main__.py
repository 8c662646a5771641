"""Run the benchmark: python -m benchmarks --model DIRECTORY [--only W1,W3] [--report FILE]."""

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from itertools import groupby
from pathlib import Path

from benchmarks.measure import Line, lines
from benchmarks.process import BenchmarkError, ContenderProcess
from benchmarks.table import markdown
from benchmarks.token_model import write_token_model
from benchmarks.truth import Truth
from benchmarks.workloads import WORKLOADS, Workload

PACKAGES = ("ligserve", "transformers-interpret", "captum", "torch", "transformers")
NOTES = """\
One run, every contender in a process of its own, in turn on every text. Speed is the median over texts and
repetitions of the library's time / the contender's time, for calls that followed each other; ligserve's calls
go through its client and its server. Peak memory is resident memory at its highest (for ligserve the client,
the front and the worker together, all accuracies so far). True error is |sum of the scores - difference|
relative to the larger of |difference| and the sum of |scores|, where difference = f(input) - f(baseline) is
worked out apart with plain torch; of several targets the largest counts. A point is a forward pass of one row
and a backward pass for each of its targets. W3 explains the label of each token, of 28 labels: in 50 steps
those of the special tokens too, as the library does; its model is the same encoder under a random head.
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
    codes = [workload.code for workload in WORKLOADS]
    parser.add_argument("--only", type=lambda text: text.split(","), default=codes, help=f"of {codes}")
    parser.add_argument("--report", type=Path, help="Markdown file to write")
    parser.add_argument("--texts", type=int, default=8, help="texts of each length, 1 to 20 (8)")
    parser.add_argument("--repetitions", type=int, default=3, help="times that each text is explained (3)")
    parser.add_argument("--threads", type=int, default=2, help="torch threads of each contender (2)")
    return parser.parse_args()


def measure(arguments: argparse.Namespace) -> list[Line]:
    """Measure every workload that was asked for.

    Raises:
        BenchmarkError: a contender failed.
    """
    chosen = [workload for workload in WORKLOADS if workload.code in arguments.only]
    measured: list[Line] = []
    with tempfile.TemporaryDirectory() as scratch:
        for of_tokens, workloads in groupby(chosen, lambda workload: workload.of_tokens):
            model = write_token_model(arguments.model, Path(scratch)) if of_tokens else arguments.model
            measured += measure_model(list(workloads), model, arguments)
    return measured


def measure_model(workloads: Sequence[Workload], model: Path, arguments: argparse.Namespace) -> list[Line]:
    """Start the contenders and measure workloads of one model, the shortest first.

    Raises:
        BenchmarkError: a contender failed.
    """
    truth = Truth(model, of_tokens=workloads[0].of_tokens)
    with contextlib.ExitStack() as stack:
        processes = {
            name: stack.enter_context(ContenderProcess(module, model, arguments.threads))
            for name, module in workloads[0].contenders.items()
        }
        measured: list[Line] = []
        for workload in workloads:
            print(f"measuring {workload.code} {workload.name} ...", file=sys.stderr, flush=True)
            chosen = replace(workload, texts=workload.texts[: arguments.texts])
            measured += lines(chosen, processes, truth, arguments.repetitions)
    return measured


if __name__ == "__main__":
    sys.exit(main())
