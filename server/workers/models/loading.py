"""From a source (directory or hub id) to a model in memory."""

import inspect
from pathlib import Path

import torch
from torch import nn
from transformers import (
    AutoConfig,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from ligserve.internal.v1.frames_pb2 import ModelSource
from ligserve.server.workers.models.attention import forget_other_lengths
from ligserve.server.workers.models.head import HEADS, SEQUENCE, Head, head_of
from ligserve.server.workers.models.limits import max_tokens
from ligserve.server.workers.models.loaded import LoadedModel, TextModel
from ligserve.server.workers.models.lookups import embedding_layers
from ligserve.server.workers.models.revision import revision_of

# In place of a missing pad token id: no id equals it, so a pooler that looks for padding finds none, and
# rows of unequal length are never mixed (the probe sees that they cannot be).
NO_PAD_TOKEN = -1
# transformers makes up an empty tokenizer where a directory has none of these.
_TOKENIZER_FILES = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "tokenizer.model",
    "spiece.model",
    "spm.model",
    "sentencepiece.bpe.model",
)


class ModelLoadError(Exception):
    """A model cannot be loaded; the message is one line for the operator."""


def load_model(source: ModelSource, device: str) -> LoadedModel:
    """Load and check one model, by the head that its configuration names.

    Raises:
        ModelLoadError: the source is missing, broken, not safetensors, or has another head; or the device is
            not there, or too small.
    """
    _check_directory(source)
    try:
        head, network = _load_network(source)
        tokenizer = _load_tokenizer(source)
    except ModelLoadError:
        raise
    except Exception as error:  # transformers, safetensors and the hub raise whatever they like
        cause = _one_line(error)
        raise ModelLoadError(f"model '{source.name}': cannot load {source.source}: {cause}") from error
    _check_vocabulary(source, network, tokenizer)
    _place(source, network, device)
    return TextModel(
        name=source.name,
        revision=revision_of(source, network),
        network=network,
        head=head,
        tokenizer=tokenizer,
        labels=() if head.unlabelled else _labels(network),
        max_tokens=max_tokens(network, tokenizer),
        parameters=frozenset(inspect.signature(network.forward).parameters),
        layers=embedding_layers(network, tokenizer),
    )


def _place(source: ModelSource, network: PreTrainedModel, device: str) -> None:
    """Onto the device; what fails here is not the fault of the model's files."""
    try:
        network.to(torch.device(device))  # type: ignore[arg-type]
    except Exception as error:  # torch raises AssertionError, RuntimeError and its own OutOfMemoryError
        cause = _one_line(error)
        raise ModelLoadError(f"model '{source.name}': cannot use device {device}: {cause}") from error


def _labels(network: PreTrainedModel) -> tuple[str, ...]:
    """One name per logit; the configuration may hold names for more or fewer."""
    names = {int(index): str(label) for index, label in (network.config.id2label or {}).items()}
    count = network.config.num_labels or len(names)
    return tuple(names.get(index, f"LABEL_{index}") for index in range(count))


def _check_directory(source: ModelSource) -> None:
    path = Path(source.source)
    looks_local = path.is_absolute() or source.source.startswith((".", "~")) or len(path.parts) > 2
    if looks_local and not path.expanduser().is_dir():
        raise ModelLoadError(f"model '{source.name}': there is no directory {source.source}")
    if path.is_dir() and not (path / "config.json").is_file():
        raise ModelLoadError(f"model '{source.name}': {source.source} holds no config.json")
    if path.is_dir() and not any((path / name).is_file() for name in _TOKENIZER_FILES):
        raise ModelLoadError(
            f"model '{source.name}': {source.source} holds no tokenizer ({', '.join(_TOKENIZER_FILES)})"
        )
    if path.is_dir() and not source.allow_pickle and not any(path.glob("*.safetensors")):
        raise ModelLoadError(
            f"model '{source.name}': {source.source} holds no safetensors weights; "
            "pickled weights can run code and are loaded only with allow_pickle = true in its configuration"
        )


def _check_vocabulary(
    source: ModelSource, network: PreTrainedModel, tokenizer: PreTrainedTokenizerFast
) -> None:
    """A tokenizer of another model would index past the embeddings, or read the wrong rows in silence."""
    table = network.get_input_embeddings()
    if isinstance(table, nn.Embedding) and tokenizer.vocab_size > table.num_embeddings:
        raise ModelLoadError(
            f"model '{source.name}': the tokenizer in {source.source} has {tokenizer.vocab_size} tokens, "
            f"the model {table.num_embeddings} embeddings; they do not belong together"
        )


def _load_network(source: ModelSource) -> tuple[Head, PreTrainedModel]:
    options = {"revision": source.revision or None, "trust_remote_code": source.trust_remote_code}
    config = AutoConfig.from_pretrained(source.source, **options)
    if source.num_labels:
        config.num_labels = source.num_labels
    head = _head(source, config)
    network, report = head.auto_model.from_pretrained(
        source.source,
        config=config,
        dtype=torch.float32,
        use_safetensors=None if source.allow_pickle else True,
        output_loading_info=True,
        **options,
    )
    _check_weights(source, network, report["missing_keys"])
    if network.config.pad_token_id is None:
        network.config.pad_token_id = NO_PAD_TOKEN
    network.requires_grad_(False)
    forget_other_lengths(network)
    return head, network.eval()


def _head(source: ModelSource, config: PreTrainedConfig) -> Head:
    """The head that the checkpoint was saved with; a sequence classifier where it does not say."""
    architectures = config.architectures or []
    found = head_of(architectures) if architectures else SEQUENCE
    if found is None:
        kinds = ", ".join(head.name for head in HEADS)
        raise ModelLoadError(
            f"model '{source.name}': {source.source} holds {', '.join(architectures)}, "
            f"not a trained classifier of a kind that is served ({kinds})"
        )
    return found


def _check_weights(source: ModelSource, network: PreTrainedModel, missing: set[str]) -> None:
    """Weights that are not in the checkpoint would be random: never explain those."""
    if missing:
        found = ", ".join(network.config.architectures or ["an unnamed architecture"])
        names = ", ".join(sorted(missing)[:4]) + (", ..." if len(missing) > 4 else "")
        raise ModelLoadError(
            f"model '{source.name}': {source.source} holds {found}, not a trained classifier; "
            f"{type(network).__name__} lacks {len(missing)} weights ({names})"
        )


def _load_tokenizer(source: ModelSource) -> PreTrainedTokenizerFast:
    tokenizer = AutoTokenizer.from_pretrained(
        source.source, revision=source.revision or None, trust_remote_code=source.trust_remote_code
    )
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise ValueError("its tokenizer has no fast version, so tokens have no offsets into the text")
    return tokenizer


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else text[:297] + "..."
