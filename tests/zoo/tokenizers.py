"""Fast tokenizers of the three common kinds, trained on the corpus."""

from collections.abc import Callable

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from tests.zoo.corpus import SENTENCES

VOCABULARY = 400


def wordpiece() -> PreTrainedTokenizerFast:
    """BERT's kind: lower case, [CLS] text [SEP]."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.train_from_iterator(
        SENTENCES, trainers.WordPieceTrainer(vocab_size=VOCABULARY, special_tokens=special)
    )
    _frame(tokenizer, "[CLS]", "[SEP]", types=True)
    names = ["pad_token", "unk_token", "cls_token", "sep_token", "mask_token"]
    inputs = ["input_ids", "token_type_ids", "attention_mask"]
    return _wrapped(tokenizer, dict(zip(names, special, strict=True)), inputs)


def byte_level() -> PreTrainedTokenizerFast:
    """ModernBERT's kind: byte-level BPE, <s> text </s>, one separator between two texts."""
    return _byte_level(separators=1)


def byte_level_pairs() -> PreTrainedTokenizerFast:
    """RoBERTa's kind: as `byte_level`, with two separators between two texts."""
    return _byte_level(separators=2)


def bare_byte_level() -> PreTrainedTokenizerFast:
    """GPT-2's kind: byte-level BPE, nothing added to the text, the end-of-text token pads."""
    end = "<|endoftext|>"
    tokenizer = _byte_level_bpe([end])
    names = {"bos_token": end, "eos_token": end, "unk_token": end, "pad_token": end}
    return _wrapped(tokenizer, names, ["input_ids", "attention_mask"])


def unigram() -> PreTrainedTokenizerFast:
    """SentencePiece's kind: pieces that start with a visible space, [CLS] text [SEP]."""
    special = ["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.train_from_iterator(
        SENTENCES,
        trainers.UnigramTrainer(vocab_size=VOCABULARY, special_tokens=special, unk_token="<unk>"),
    )
    _frame(tokenizer, "[CLS]", "[SEP]", types=True)
    names = ["pad_token", "unk_token", "cls_token", "sep_token", "mask_token"]
    inputs = ["input_ids", "token_type_ids", "attention_mask"]
    return _wrapped(tokenizer, dict(zip(names, special, strict=True)), inputs)


TokenizerMaker = Callable[[], PreTrainedTokenizerFast]


def _byte_level(separators: int) -> PreTrainedTokenizerFast:
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer = _byte_level_bpe(special)
    _frame(tokenizer, "<s>", "</s>", types=False, separators=separators)
    names = {"bos_token": "<s>", "cls_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>"}
    names |= {"sep_token": "</s>", "unk_token": "<unk>", "mask_token": "<mask>"}
    return _wrapped(tokenizer, names, ["input_ids", "attention_mask"])


def _byte_level_bpe(special: list[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        SENTENCES,
        trainers.BpeTrainer(vocab_size=VOCABULARY, special_tokens=special, initial_alphabet=alphabet),
    )
    return tokenizer


def _frame(tokenizer: Tokenizer, first: str, last: str, *, types: bool, separators: int = 1) -> None:
    second = "$B:1" if types else "$B"
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}",
        pair=f"{first} $A {' '.join([last] * separators)} {second} {last}" + (":1" if types else ""),
        special_tokens=[(first, tokenizer.token_to_id(first)), (last, tokenizer.token_to_id(last))],
    )


def _wrapped(tokenizer: Tokenizer, names: dict[str, str], inputs: list[str]) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=128, model_input_names=inputs, **names
    )
