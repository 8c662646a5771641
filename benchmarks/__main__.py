"""Run the benchmark: python -m benchmarks --model DIRECTORY [--only W1,W3] [--report FILE]."""

import argparse
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from benchmarks.contenders.process import BenchmarkError
from benchmarks.measures.run import Run
from benchmarks.models.silence import silence_loading
from benchmarks.reports.plot import write_plot
from benchmarks.reports.report import report
from benchmarks.sections import CODES, measure_all

PACKAGES = ("ligserve", "transformers-interpret", "captum", "torch", "transformers")


def main() -> int:
    """Measure, print the tables and write the report; 0 if all contenders answered."""
    arguments = parse()
    silence_loading()
    try:
        with tempfile.TemporaryDirectory() as scratch:
            results = measure_all(run_of(arguments, Path(scratch)), arguments.only)
    except BenchmarkError as error:
        print(error, file=sys.stderr)
        return 1
    text = f"{report(results)}\n\n{setting_of(arguments)}\n"
    print(text)
    if arguments.report:
        arguments.report.parent.mkdir(parents=True, exist_ok=True)
        arguments.report.write_text(f"# Benchmark\n\n{text}")
    if arguments.plot:
        write_plot(results, arguments.plot)
    return 0


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="directory of the sentiment model")
    parser.add_argument("--only", type=codes, default=CODES, help=f"of {', '.join(CODES)}")
    parser.add_argument("--report", type=Path, help="Markdown file to write")
    parser.add_argument("--plot", type=Path, help="SVG file to write")
    parser.add_argument("--texts", type=int, default=20, help="most texts of each workload, 1 to 20 (20)")
    parser.add_argument("--repetitions", type=int, default=2, help="times that short texts are explained (2)")
    parser.add_argument("--threads", type=int, default=2, help="torch threads of each contender (2)")
    parser.add_argument("--device", default="cuda:0", help="device that W10 measures on (cuda:0)")
    return parser.parse_args()


def codes(text: str) -> tuple[str, ...]:
    """The workloads that --only names.

    Raises:
        argparse.ArgumentTypeError: there is none of that name.
    """
    chosen = tuple(text.split(","))
    if unknown := set(chosen) - set(CODES):
        raise argparse.ArgumentTypeError(f"no {', '.join(sorted(unknown))}; there are {', '.join(CODES)}")
    return chosen


def run_of(arguments: argparse.Namespace, scratch: Path) -> Run:
    """What the command line asks for."""
    return Run(
        encoder=arguments.model,
        scratch=scratch,
        threads=arguments.threads,
        texts=arguments.texts,
        repetitions=arguments.repetitions,
        device=arguments.device,
    )


def setting_of(arguments: argparse.Namespace) -> str:
    """What a reader has to know to repeat the run."""
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"At most {arguments.texts} texts of each workload, short ones {arguments.repetitions} times, "
        f"{arguments.threads} threads; {versions}."
    )


if __name__ == "__main__":
    sys.exit(main())
