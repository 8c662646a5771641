import subprocess
import sys
from pathlib import Path

DEMO = Path(__file__).resolve().parents[2] / "examples" / "demo.py"


def run_demo(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, DEMO, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_demo_explains_a_sentence_twice_and_writes_a_page(sentiment_model: Path, tmp_path: Path) -> None:
    page = tmp_path / "demo.html"
    done = run_demo("--model", sentiment_model, "--html", page)
    assert done.returncode == 0, done.stderr
    assert "NEGATIVE" in done.stdout
    assert "dislike" in page.read_text(encoding="utf-8")


def test_a_server_that_cannot_start_is_told_in_a_line(tmp_path: Path) -> None:
    done = run_demo("--model", tmp_path / "missing")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("demo: ")
