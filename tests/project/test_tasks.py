import os
import re
import subprocess

from tests.project.source import ROOT


def test_help_lists_every_target() -> None:
    (phony,) = re.findall(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    done = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert [
        line.split()[1] for line in done.stdout.splitlines() if line.startswith("  make ")
    ] == phony.split()


def test_continuous_integration_runs_check_and_nothing_else() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    commands = [line for line in script.read_text().splitlines() if not line.startswith(("#", "set ", "cd "))]
    assert commands == ["exec make check </dev/null"]
