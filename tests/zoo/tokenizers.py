"""Fast tokenizers of the three common kinds, made from the corpus, the same in every run."""

from collections.abc import Callable

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from tests.zoo.corpus import SENTENCES
from tests.zoo.pieces import every_word, frequent_words

VOCABULARY = 400


def wordpiece() -> PreTrainedTokenizerFast:
    """BERT's kind: lower case, [CLS] text [SEP]."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = Tokenizer(models.WordPiece())
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    pieces = [*special, *every_word(_words(tokenizer), inner="##")]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer.model = models.WordPiece(vocabulary, unk_token="[UNK]")
    tokenizer.add_special_tokens(special)
    _frame(tokenizer, "[CLS]", "[SEP]", types=True)
    names = ["pad_token", "unk_token", "cls_token", "sep_token", "mask_token"]
    return _wrapped(tokenizer, dict(zip(names, special, strict=True)), _WITH_TYPES)


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
    return _wrapped(tokenizer, names, _WITHOUT_TYPES)


def bare_byte_level_padded() -> PreTrainedTokenizerFast:
    """Qwen's kind: as `bare_byte_level`, with another token at the text's end than for padding."""
    end, padding = "<|im_end|>", "<|endoftext|>"
    tokenizer = _byte_level_bpe([padding, end])
    return _wrapped(tokenizer, {"eos_token": end, "pad_token": padding}, _WITHOUT_TYPES)


def bert_byte_level() -> PreTrainedTokenizerFast:
    """DeBERTa v1's kind: byte-level BPE, framed and typed as BERT's."""
    special = ["[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]"]
    tokenizer = _byte_level_bpe(special)
    _frame(tokenizer, "[CLS]", "[SEP]", types=True)
    names = ["cls_token", "pad_token", "sep_token", "unk_token", "mask_token"]
    return _wrapped(tokenizer, dict(zip(names, special, strict=True)), _WITH_TYPES)


def opening_byte_level() -> PreTrainedTokenizerFast:
    """OPT's kind: byte-level BPE, </s> text."""
    tokenizer = _byte_level_bpe(["<s>", "<pad>", "</s>", "<unk>"])
    _frame(tokenizer, "</s>", "", types=False)
    names = {"bos_token": "</s>", "eos_token": "</s>", "unk_token": "</s>", "pad_token": "<pad>"}
    return _wrapped(tokenizer, names, _WITHOUT_TYPES)


def unigram() -> PreTrainedTokenizerFast:
    """SentencePiece's kind: pieces that start with a visible space, [CLS] text [SEP]."""
    special = ["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = _unigram(special)
    _frame(tokenizer, "[CLS]", "[SEP]", types=True)
    names = ["pad_token", "unk_token", "cls_token", "sep_token", "mask_token"]
    return _wrapped(tokenizer, dict(zip(names, special, strict=True)), _WITH_TYPES)


def unigram_pairs() -> PreTrainedTokenizerFast:
    """XLM-RoBERTa's kind: pieces, <s> text </s>, two separators between two texts."""
    tokenizer = _unigram(_ROBERTA_SPECIAL)
    _frame(tokenizer, "<s>", "</s>", types=False, separators=2)
    return _wrapped(tokenizer, _ROBERTA_NAMES, _WITHOUT_TYPES)


def unigram_ending() -> PreTrainedTokenizerFast:
    """T5's kind: pieces, text </s>, nothing before them."""
    tokenizer = _unigram(["<pad>", "</s>", "<unk>"])
    _frame(tokenizer, "", "</s>", types=False)
    names = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    return _wrapped(tokenizer, names, _WITHOUT_TYPES)


def opening_unigram() -> PreTrainedTokenizerFast:
    """Llama's kind: pieces, <s> text, and no token for padding."""
    tokenizer = _unigram(["<unk>", "<s>", "</s>"])
    _frame(tokenizer, "<s>", "", types=False)
    return _wrapped(
        tokenizer, {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}, _WITHOUT_TYPES
    )


def trailing_unigram() -> PreTrainedTokenizerFast:
    """XLNet's kind: pieces, text <sep> <cls>, padded on the left."""
    tokenizer = _unigram(["<unk>", "<s>", "</s>", "<cls>", "<sep>", "<pad>", "<mask>"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A:0 <sep>:0 <cls>:2",
        pair="$A:0 <sep>:0 $B:1 <sep>:1 <cls>:2",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in ("<sep>", "<cls>")],
    )
    names = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "sep_token": "<sep>"}
    names |= {"pad_token": "<pad>", "cls_token": "<cls>", "mask_token": "<mask>"}
    wrapped = _wrapped(tokenizer, names, _WITH_TYPES)
    wrapped.padding_side = "left"
    return wrapped


TokenizerMaker = Callable[[], PreTrainedTokenizerFast]

_WITHOUT_TYPES = ["input_ids", "attention_mask"]
_WITH_TYPES = ["input_ids", "token_type_ids", "attention_mask"]
_ROBERTA_SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
_ROBERTA_NAMES = {"bos_token": "<s>", "cls_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>"}
_ROBERTA_NAMES |= {"sep_token": "</s>", "unk_token": "<unk>", "mask_token": "<mask>"}


def _unigram(special: list[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    pieces = dict.fromkeys(frequent_words(_words(tokenizer)))
    vocabulary = [(piece, 0.0) for piece in special]
    # Long pieces are likelier than the short ones that they are made of.
    vocabulary += [(piece, -4.0 - 1 / len(piece)) for piece in pieces]
    tokenizer.model = models.Unigram(vocabulary, unk_id=special.index("<unk>"), byte_fallback=False)
    tokenizer.add_special_tokens(special)
    return tokenizer


def _words(tokenizer: Tokenizer) -> list[str]:
    """The corpus's words as the tokenizer cuts them, each as often as it occurs."""
    if tokenizer.normalizer is None or tokenizer.pre_tokenizer is None:
        raise ValueError("the tokenizer cuts no words")
    texts = map(tokenizer.normalizer.normalize_str, SENTENCES)
    return [word for text in texts for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(text)]


def _byte_level(separators: int) -> PreTrainedTokenizerFast:
    tokenizer = _byte_level_bpe(_ROBERTA_SPECIAL)
    _frame(tokenizer, "<s>", "</s>", types=False, separators=separators)
    return _wrapped(tokenizer, _ROBERTA_NAMES, _WITHOUT_TYPES)


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
    """`first` text `last`; an empty one is left out."""
    ending = f"{last}:1" if types else last
    single = [first, "$A", last]
    pair = [first, "$A", *[last] * separators, "$B:1" if types else "$B", ending]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=[piece for piece in single if piece],
        pair=[piece for piece in pair if piece],
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in (first, last) if token],
    )


def _wrapped(tokenizer: Tokenizer, names: dict[str, str], inputs: list[str]) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=128, model_input_names=inputs, **names
    )
