"""Explanations of labels that a test writes down token by token."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ligserve.client import Explanation
from ligserve.client.folding import fold_answer
from ligserve.v1 import explanation_service_pb2 as service_pb
from tests.client.scripted_answer import streamed, to_answer


@dataclass(frozen=True)
class Piece:
    """A token: its text, the model's label for it and the label's probability; `glued` to the one before.

    Glued pieces are of one word, unless `word` says that the tokenizer knows of no words. A piece goes
    `back` over characters of the one before.
    """

    text: str
    label: str
    probability: float = 0.75
    glued: bool = False
    word: bool = True
    back: int = 0


def explained(pieces: Sequence[Piece], ignored: Collection[int] = ()) -> Explanation:
    """The explanation of every label but the ignored tokens', between two special tokens."""
    tokens = service_pb.Tokens(ids=[101], texts=["[CLS]"], special=[True], words=[-1])
    text, word = "", -1
    for piece in pieces:
        text += "" if piece.glued or not text else " "
        word += not piece.glued
        tokens.starts.append(len(text) - piece.back)
        text += piece.text
        tokens.ends.append(len(text))
        tokens.ids.append(7)
        tokens.texts.append(piece.text)
        tokens.special.append(False)
        tokens.words.append(word if piece.word else -1)
    tokens.MergeFrom(service_pb.Tokens(ids=[102], texts=["[SEP]"], special=[True], words=[-1]))
    tokens.starts[:] = [0, *tokens.starts, 0]
    tokens.ends[:] = [0, *tokens.ends, 0]
    tokens.segments.extend([0] * len(tokens.ids))
    labels = [("O", 0.5), *((piece.label, piece.probability) for piece in pieces), ("O", 0.5)]
    return fold_answer(to_answer(streamed(_header(tokens, labels, ignored))), (text,))


def _header(
    tokens: service_pb.Tokens, labels: Sequence[tuple[str, float]], ignored: Collection[int]
) -> service_pb.Header:
    names = sorted({"O", *(label for label, _ in labels)})
    header = service_pb.Header(model="ner", labels=names, windows=[service_pb.Window(tokens=tokens)])
    predictions = header.windows[0].token_predictions
    for place, (label, probability) in enumerate(labels):
        index = names.index(label)
        predictions.predicted.append(index)
        predictions.probabilities.extend(probability if i == index else 0.0 for i in range(len(names)))
        predictions.logits.extend([0.0] * len(names))
        if place not in ignored:
            header.targets.add(class_index=index, class_label=label, token=place)
    return header
