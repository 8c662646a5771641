"""The real classifier that tests share."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def sentiment_model() -> Path:
    """Directory of the demo's real classifier, put together on first use."""
    # Imported here: most tests need no torch.
    from examples.sentiment.assemble import assemble

    directory = ROOT / "build" / "models" / "sentiment"
    assemble(directory)
    return directory
