"""The tokenizer of a text model's checkpoint."""

from pathlib import Path

from torch import nn
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerFast

from ligserve.internal.v1.frames_pb2 import ModelSource
from ligserve.server.workers.models.failure import ModelLoadError

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


def check_tokenizer_files(source: ModelSource) -> None:
    """Look for a tokenizer's files in a local directory.

    Raises:
        ModelLoadError: there is none of them.
    """
    path = Path(source.source)
    if path.is_dir() and not any((path / name).is_file() for name in _TOKENIZER_FILES):
        raise ModelLoadError(
            f"model '{source.name}': {source.source} holds no tokenizer ({', '.join(_TOKENIZER_FILES)})"
        )


def load_tokenizer(source: ModelSource) -> PreTrainedTokenizerFast:
    """The source's tokenizer.

    Raises:
        ValueError: it has no fast version.
        Exception: whatever transformers and the hub raise.
    """
    tokenizer = AutoTokenizer.from_pretrained(
        source.source, revision=source.revision or None, trust_remote_code=source.trust_remote_code
    )
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise ValueError("its tokenizer has no fast version, so tokens have no offsets into the text")
    return tokenizer


def check_vocabulary(
    source: ModelSource, network: PreTrainedModel, tokenizer: PreTrainedTokenizerFast
) -> None:
    """A tokenizer of another model would index past the embeddings, or read the wrong rows in silence.

    Raises:
        ModelLoadError: it has more tokens than the model has embeddings.
    """
    table = network.get_input_embeddings()
    if isinstance(table, nn.Embedding) and tokenizer.vocab_size > table.num_embeddings:
        raise ModelLoadError(
            f"model '{source.name}': the tokenizer in {source.source} has {tokenizer.vocab_size} tokens, "
            f"the model {table.num_embeddings} embeddings; they do not belong together"
        )
