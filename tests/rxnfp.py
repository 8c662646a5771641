"""A trained classifier of chemical reactions, put together from the rxnfp package's files."""

import shutil
from importlib.metadata import files
from pathlib import Path

from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

# Its configuration lists two labels.
CLASSES = 50
_FOLDER = "rxnfp/models/transformers/bert_ft_10k_25s"
# Atoms, bonds and the other signs of a reaction SMILES; what rxnfp/tokenization.py splits at.
_SIGN = (
    r"(\%\([0-9]{3}\)|\[[^\]]+]|Br?|Cl?|N|O|S|P|F|I|b|c|n|o|s|p|\||\(|\)|\.|=|#|-|\+|\\|\/|:|~|@|\?|>>?"
    r"|\*|\$|\%[0-9]{2}|[0-9])"
)


def assemble(directory: Path) -> Path:
    """Write the checkpoint, whose weights are pickled, and a fast tokenizer made from its vocabulary."""
    found = {path.name: Path(str(path.locate())) for path in files("rxnfp") or () if _FOLDER in str(path)}
    directory.mkdir(parents=True)
    for name in ("config.json", "pytorch_model.bin"):
        shutil.copyfile(found[name], directory / name)
    tokens = found["vocab.txt"].read_text(encoding="utf-8").split()
    _tokenizer(tokens).save_pretrained(directory)
    return directory


def _tokenizer(tokens: list[str]) -> PreTrainedTokenizerFast:
    vocabulary = {token: number for number, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(_SIGN), behavior="removed", invert=True)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(token, vocabulary[token]) for token in ("[CLS]", "[SEP]")],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=512,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    )
