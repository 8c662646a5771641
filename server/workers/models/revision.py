"""Which checkpoint exactly: so that an answer can be traced to its weights."""

import hashlib
from pathlib import Path

from transformers import PreTrainedModel

from ligserve.internal.v1.frames_pb2 import ModelSource

# Files that decide a model's output; others (README, logs) may differ.
_SUFFIXES = {".json", ".safetensors", ".bin", ".model", ".txt", ".py"}


def revision_of(source: ModelSource, network: PreTrainedModel) -> str:
    """Commit of a hub model, or "sha256:" and 16 hex digits over a local directory's files."""
    directory = Path(source.source)
    if not directory.is_dir():
        return str(getattr(network.config, "_commit_hash", None) or source.revision or "unknown")
    digest = hashlib.sha256()
    for path in sorted(path for path in directory.iterdir() if path.suffix in _SUFFIXES):
        digest.update(path.name.encode())
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return f"sha256:{digest.hexdigest()[:16]}"
