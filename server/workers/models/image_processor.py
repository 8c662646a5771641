"""The image processor of an image model's checkpoint."""

from pathlib import Path

from transformers import AutoImageProcessor, BaseImageProcessor

from ligserve.internal.v1.frames_pb2 import ModelSource
from ligserve.server.workers.models.failure import ModelLoadError

_PROCESSOR_FILE = "preprocessor_config.json"
# Needs nothing but Pillow and numpy, and every processor has it. torchvision's resizes a little differently,
# and what an image's pixel values are should not depend on whether it happens to be installed.
_BACKEND = "pil"


def check_processor_file(source: ModelSource) -> None:
    """Look for an image processor's file in a local directory.

    Raises:
        ModelLoadError: it is not there.
    """
    path = Path(source.source)
    if path.is_dir() and not (path / _PROCESSOR_FILE).is_file():
        raise ModelLoadError(
            f"model '{source.name}': {source.source} holds no image processor ({_PROCESSOR_FILE})"
        )


def load_processor(source: ModelSource) -> BaseImageProcessor:
    """The source's image processor.

    Raises:
        Exception: whatever transformers and the hub raise.
    """
    processor: BaseImageProcessor = AutoImageProcessor.from_pretrained(  # type: ignore[no-untyped-call]
        source.source,
        revision=source.revision or None,
        trust_remote_code=source.trust_remote_code,
        backend=_BACKEND,
    )
    return processor
