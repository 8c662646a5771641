"""What the drop-ins show of long texts: pages to unfold, as an explanation itself."""

from pathlib import Path

from ligserve.client import (
    AsyncClient,
    AsyncSequenceClassificationExplainer,
    AsyncTokenClassificationExplainer,
)
from tests.client import labelled_windows, windowed_text
from tests.client.scripted_server import Script


async def test_windows_are_there_to_unfold(script: Script, tmp_path: Path) -> None:
    words = [f"word{number}" for number in range(30)]
    script.messages = windowed_text.messages(words, [(0, 15), (10, 25), (20, 30)])
    async with AsyncClient(script.address) as client:
        explainer = AsyncSequenceClassificationExplainer(client, "m")
        await explainer(" ".join(words), long_input="window")
    html = explainer.visualize(tmp_path / "long", true_class="SAD")
    assert explainer.explanation is not None
    assert html.data == html._repr_html_() == explainer.explanation.html()
    assert html.data.count("<details") == 3
    assert "<table" not in html.data
    assert html.data in (tmp_path / "long.html").read_text(encoding="utf-8")


async def test_labels_are_there_to_unfold(script: Script) -> None:
    words, labels = ["Rome", "is", "not", "in", "Asia"], ["B-LOC", "O", "O", "O", "B-LOC"]
    script.messages = labelled_windows.messages(words, labels, [((0, 3), (0, 2)), ((1, 5), (2, 5))])
    async with AsyncClient(script.address) as client:
        explainer = AsyncTokenClassificationExplainer(client, "m")
        await explainer(" ".join(words), long_input="window")
    html = explainer.visualize()
    assert explainer.explanation is not None
    assert html.data == explainer.explanation.html()
    assert html.data.count("<details") == 2
