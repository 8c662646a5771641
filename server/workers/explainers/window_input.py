"""Windows over a document as rows for the model, with the special tokens of a text of their own."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ligserve.server.workers.explainers.document import Document
from ligserve.server.workers.explainers.faithful_text import faithful_baseline_row
from ligserve.server.workers.explainers.library_text import bare_row, library_row, library_text_baseline
from ligserve.server.workers.explainers.text_input import TextInput, id_tensor
from ligserve.server.workers.models.loaded import RowInputs, TextModel
from ligserve.v1 import explanation_service_pb2 as pb

# Any text will do that gives a token; some tokenizers (of chemical formulas, say) have none for this.
_ANY_TEXT = "a"


@dataclass(frozen=True)
class Frame:
    """What a tokenizer puts around the tokens of one text.

    Attributes:
        before: ids before the text.
        after: ids after it.
        types: token types before the text, in it, and after it.
    """

    before: tuple[int, ...]
    after: tuple[int, ...]
    types: tuple[tuple[int, ...], int, tuple[int, ...]]

    @property
    def length(self) -> int:
        """Tokens that it adds to a text."""
        return len(self.before) + len(self.after)

    @classmethod
    def of(cls, model: TextModel) -> "Frame":
        """The frame that the model's tokenizer gives to any text."""
        for text in (_ANY_TEXT, *model.tokenizer.get_vocab()):
            encoding = model.tokenizer(text, return_special_tokens_mask=True, return_token_type_ids=True)
            ids, types = encoding["input_ids"], encoding["token_type_ids"]
            content = [place for place, special in enumerate(encoding["special_tokens_mask"]) if not special]
            if content:
                first, end = content[0], content[-1] + 1
                frame_types = (tuple(types[:first]), types[first], tuple(types[end:]))
                return cls(tuple(ids[:first]), tuple(ids[end:]), frame_types)
        raise ValueError("the tokenizer gives no token for any text")


@dataclass(frozen=True)
class WindowReader:
    """Makes rows of windows over a document.

    Attributes:
        model: the model.
        document: the text's tokens.
        frame: the special tokens.
        baseline_token: id that replaces every token of the text at a path's start.
        library: whether the library's habits are followed.
    """

    model: TextModel
    document: Document
    frame: Frame
    baseline_token: int
    library: bool

    def read(self, start: int, end: int) -> TextInput:
        """The row of a window, from its first token to its last (exclusive)."""
        content = self.document.ids[start:end].tolist()
        ids = [*self.frame.before, *content, *self.frame.after]
        tokens = self._tokens(ids, start, end)
        if self.library:
            row = library_row(self.model, ids, separator=len(content))
            baseline = library_text_baseline(self.model, row, len(content), self.baseline_token)
            return TextInput(row, baseline, bare_row(row), tokens)
        row = self._faithful_row(ids, len(content))
        baseline = faithful_baseline_row(self.model, row, list(tokens.special), self.baseline_token)
        return TextInput(row, baseline, row, tokens)

    def _faithful_row(self, ids: Sequence[int], length: int) -> RowInputs:
        before, content, after = self.frame.types
        columns = {
            "input_ids": id_tensor(ids),
            "attention_mask": torch.ones(len(ids), dtype=torch.long),
            "token_type_ids": id_tensor([*before, *[content] * length, *after]),
        }
        names = self.model.tokenizer.model_input_names
        return {name: columns[name] for name in names if name in self.model.parameters}

    def _tokens(self, ids: list[int], start: int, end: int) -> pb.Tokens:
        document = self.document
        return pb.Tokens(
            ids=ids,
            texts=self.model.tokenizer.convert_ids_to_tokens(ids),
            starts=self._framed(0, document.starts[start:end].tolist(), 0),
            ends=self._framed(0, document.ends[start:end].tolist(), 0),
            words=self._framed(-1, document.words[start:end].tolist(), -1),
            special=[bool(flag) for flag in self._framed(1, [0] * (end - start), 1)],
            segments=[0] * len(ids),
        )

    def _framed(self, before: int, content: Sequence[int], after: int) -> list[int]:
        return [before] * len(self.frame.before) + list(content) + [after] * len(self.frame.after)
