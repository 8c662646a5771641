"""Windows over a document as rows for the model; a second text stands beside each of them as a whole."""

from collections.abc import Sequence
from dataclasses import dataclass

from ligserve.server.workers.explainers.documents.document import Document
from ligserve.server.workers.explainers.inputs.frame import Frame, SpecialRun
from ligserve.server.workers.explainers.inputs.text_input import RowMaker, TextInput
from ligserve.server.workers.models.loaded import TextModel
from ligserve.v1 import explanation_service_pb2 as pb


@dataclass(frozen=True)
class WindowReader:
    """Makes rows of windows over a document.

    Attributes:
        model: the model.
        texts: the tokens of each of the request's texts.
        windowed: which of them is cut into windows.
        frame: the special tokens.
        make_row: what the model is given.
        baseline_token: id that replaces every token of the texts at a path's start.
    """

    model: TextModel
    texts: Sequence[Document]
    windowed: int
    frame: Frame
    make_row: RowMaker
    baseline_token: int

    @property
    def document(self) -> Document:
        """The text that is cut into windows."""
        return self.texts[self.windowed]

    @property
    def before(self) -> int:
        """Tokens that stand before a window in its row."""
        place = self.frame.order.index(self.windowed)
        others = [len(self.texts[number]) for number in self.frame.order[:place]]
        return sum(len(run.ids) for run in self.frame.runs[: place + 1]) + sum(others)

    def read(self, start: int, end: int) -> TextInput:
        """The row of a window, from its first token in the document to its last (exclusive)."""
        tokens, types = pb.Tokens(), list[int]()
        for place, run in enumerate(self.frame.runs):
            # Special tokens go with the text before them.
            _add_special(tokens, run, self.frame.order[max(0, place - 1)])
            types += run.types
            if place < len(self.frame.order):
                number = self.frame.order[place]
                span = (start, end) if number == self.windowed else (0, len(self.texts[number]))
                _add_text(tokens, self.texts[number], span, number)
                types += [self.frame.types[place]] * (span[1] - span[0])
        tokens.texts.extend(self.model.tokenizer.convert_ids_to_tokens(list(tokens.ids)))
        return self.make_row(self.model, tokens, types, self.baseline_token)


def _add_special(tokens: pb.Tokens, run: SpecialRun, segment: int) -> None:
    length = len(run.ids)
    tokens.ids.extend(run.ids)
    tokens.starts.extend([0] * length)
    tokens.ends.extend([0] * length)
    tokens.words.extend([-1] * length)
    tokens.special.extend([True] * length)
    tokens.segments.extend([segment] * length)


def _add_text(tokens: pb.Tokens, text: Document, span: tuple[int, int], segment: int) -> None:
    own, length = slice(*span), span[1] - span[0]
    tokens.ids.extend(text.ids[own].tolist())
    tokens.starts.extend(text.starts[own].tolist())
    tokens.ends.extend(text.ends[own].tolist())
    tokens.words.extend(text.words[own].tolist())
    tokens.special.extend([False] * length)
    tokens.segments.extend([segment] * length)
