"""From a source (directory or hub id) to a model in memory."""

import inspect
from dataclasses import replace
from pathlib import Path

import torch
from transformers import AutoConfig, PreTrainedConfig, PreTrainedModel

from ligserve.internal.v1.frames_pb2 import ModelSource
from ligserve.server.workers.models.attention import forget_other_lengths
from ligserve.server.workers.models.failure import ModelLoadError
from ligserve.server.workers.models.head import HEADS, IMAGE, SEQUENCE, Head, head_of
from ligserve.server.workers.models.image_processor import check_processor_file, load_processor
from ligserve.server.workers.models.limits import length_step, max_tokens
from ligserve.server.workers.models.loaded import ImageModel, LoadedModel, TextModel
from ligserve.server.workers.models.lookups import embedding_layers
from ligserve.server.workers.models.precision import (
    Precision,
    device_lack,
    device_precisions,
    precision_name,
)
from ligserve.server.workers.models.revision import revision_of
from ligserve.server.workers.models.tokenizer import (
    check_tokenizer_files,
    check_vocabulary,
    load_tokenizer,
)
from ligserve.server.workers.models.transfer import transfer_for

__all__ = ["ModelLoadError", "load_model"]

# In place of a missing pad token id: no id equals it, so a pooler that looks for padding finds none, and
# rows of unequal length are never mixed (the probe sees that they cannot be).
NO_PAD_TOKEN = -1


def load_model(source: ModelSource, device: str) -> LoadedModel:
    """Load and check one model, by the head that its configuration names.

    Raises:
        ModelLoadError: the source is missing, broken, not safetensors, or has another head; or the device is
            not there, or too small.
    """
    _check_directory(source)
    try:
        model = _load(source)
    except ModelLoadError:
        raise
    except Exception as error:  # transformers, safetensors and the hub raise whatever they like
        cause = _one_line(error)
        raise ModelLoadError(f"model '{source.name}': cannot load {source.source}: {cause}") from error
    _place(source, model.network, device)
    placed = replace(model, precisions=_precisions(source, model.device), transfer=transfer_for(model.device))
    return _in_steps(placed) if isinstance(placed, TextModel) else placed


def _load(source: ModelSource) -> LoadedModel:
    config = AutoConfig.from_pretrained(source.source, **_options(source))
    if source.num_labels:
        config.num_labels = source.num_labels
    head = _head(source, config)
    check_files = check_processor_file if head is IMAGE else check_tokenizer_files
    check_files(source)
    network = _load_network(source, config, head)
    model = LoadedModel(
        name=source.name,
        revision=revision_of(source, network),
        network=network,
        head=head,
        labels=() if head.unlabelled else _labels(network),
        parameters=frozenset(inspect.signature(network.forward).parameters),
    )
    return _image_model(source, model) if head is IMAGE else _text_model(source, model)


def _text_model(source: ModelSource, model: LoadedModel) -> TextModel:
    network, tokenizer = model.network, load_tokenizer(source)
    check_vocabulary(source, network, tokenizer)
    if network.config.pad_token_id is None:
        network.config.pad_token_id = NO_PAD_TOKEN
    return TextModel(
        **vars(model),
        tokenizer=tokenizer,
        max_tokens=max_tokens(network, tokenizer),
        layers=embedding_layers(network, tokenizer),
    )


def _image_model(source: ModelSource, model: LoadedModel) -> ImageModel:
    return ImageModel(**vars(model), processor=load_processor(source))


def _place(source: ModelSource, network: PreTrainedModel, device: str) -> None:
    """Onto the device; what fails here is not the fault of the model's files."""
    try:
        network.to(torch.device(device))  # type: ignore[arg-type]
    except Exception as error:  # torch raises AssertionError, RuntimeError and its own OutOfMemoryError
        cause = _one_line(error)
        raise ModelLoadError(f"model '{source.name}': cannot use device {device}: {cause}") from error


def _in_steps(model: TextModel) -> TextModel:
    return replace(model, length_step=length_step(model.device))


def _precisions(source: ModelSource, device: torch.device) -> tuple[Precision, ...]:
    """What requests may ask for: as configured, or all that the device has."""
    for precision in source.precisions:
        lack = device_lack(precision, device)
        if lack:
            name = precision_name(precision)
            raise ModelLoadError(f"model '{source.name}': cannot compute in {name} on {device}: {lack}")
    return tuple(source.precisions or device_precisions(device))


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
    if path.is_dir() and not source.allow_pickle and not any(path.glob("*.safetensors")):
        raise ModelLoadError(
            f"model '{source.name}': {source.source} holds no safetensors weights; "
            "pickled weights can run code and are loaded only with allow_pickle = true in its configuration"
        )


def _options(source: ModelSource) -> dict[str, str | bool | None]:
    return {"revision": source.revision or None, "trust_remote_code": source.trust_remote_code}


def _load_network(source: ModelSource, config: PreTrainedConfig, head: Head) -> PreTrainedModel:
    network, report = head.auto_model.from_pretrained(
        source.source,
        config=config,
        dtype=torch.float32,
        use_safetensors=None if source.allow_pickle else True,
        output_loading_info=True,
        **_options(source),
    )
    _check_weights(source, network, report["missing_keys"])
    network.requires_grad_(False)
    forget_other_lengths(network)
    return network.eval()  # type: ignore[no-any-return]


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


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else text[:297] + "..."
