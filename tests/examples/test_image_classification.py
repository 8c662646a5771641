import re
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "image_classification.py"


def run_example(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, EXAMPLE, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_example_finds_the_bar(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = run_example("--model", tmp_path / "model", "--html", page)
    assert done.returncode == 0, done.stderr
    assert "predicted blue" in done.stdout
    left, right, top, bottom = map(
        int, re.findall(r"blue bar, columns (\d+) to (\d+), rows (\d+) to (\d+)", done.stdout)[0]
    )
    shown = done.stdout.split("The strongest patches:\n")[1:]
    assert len(shown) == 2, "plain, and the mean over noisy copies"
    for strongest in shown:
        place = re.match(r"  \+\d\.\d+  columns (\d+) to (\d+), rows (\d+) to (\d+)\n", strongest)
        assert place is not None, strongest
        first, last, upper, lower = map(int, place.groups())
        assert first <= right
        assert last >= left
        assert upper <= bottom
        assert lower >= top
    assert page.read_text(encoding="utf-8").count("data:image/png") == 2


def test_a_server_that_cannot_start_is_told_in_a_line(tmp_path: Path) -> None:
    broken = tmp_path / "model"
    broken.mkdir()
    (broken / "model.safetensors").write_bytes(b"")
    done = run_example("--model", broken, "--html", tmp_path / "page.html")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("image_classification: the server did not start")
