"""The true scores of a classifier's path, worked out with plain torch and nothing of ours."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification, AutoTokenizer

Floats = NDArray[np.float64]
# A class, and what of it: a function of the logits.
Target = tuple[int, str]
NODES = 25
# Some models bend within the first millionth of a path.
HALVINGS = 20
ROWS = 250


@dataclass(frozen=True)
class Integral:
    """What is true of K targets of one text.

    Attributes:
        changes: (K,), f(input) - f(baseline): of plain forward passes, one row each.
        scores: (K, T).
        moves: (T,), tokens that the path moves: the others have no score.
    """

    changes: Floats
    scores: Floats
    moves: NDArray[np.bool_]

    @property
    def own_error(self) -> float:
        """How far the scores are from adding up to the change, as a part of max(|change|, sum |scores|)."""
        size = np.maximum(np.abs(self.changes), np.abs(self.scores).sum(axis=1))
        return float((np.abs(self.scores.sum(axis=1) - self.changes) / size).max())


class Integrator:
    """Integrates over the line from a text whose own tokens are all one other token, to the text.

    Args:
        directory: of the classifier.
        points: of a path; Gauss-Legendre, NODES to a panel. Panels are equally wide, but the first and the
            last are halved towards the path's ends, again and again.
    """

    def __init__(self, directory: Path, points: int) -> None:
        self._network = AutoModelForSequenceClassification.from_pretrained(directory).eval()
        self._network.requires_grad_(False)
        if self._network.config.pad_token_id is None:
            # Else no batch is taken; rows are of one length, so any id will do that is in none.
            self._network.config.pad_token_id = -1
        self._tokenizer = AutoTokenizer.from_pretrained(directory)
        self._alphas, self._weights = graded(points // NODES)

    def of(self, text: str, token: int, targets: Sequence[Target]) -> Integral:
        """The targets' scores, where `token` is what the path starts from."""
        encoded = self._tokenizer(text, return_tensors="pt", return_special_tokens_mask=True)
        special = encoded.pop("special_tokens_mask")[0].bool()
        line = _Line(self._network, encoded["input_ids"][0], special, token)
        with torch.no_grad():
            end = self._network(**encoded).logits.double()
            with line.moved(torch.zeros(1)):
                start = self._network(**encoded).logits.double()
        changes = torch.stack([_value(end, each) - _value(start, each) for each in targets])[:, 0]
        scores = np.zeros((len(targets), len(special)))
        for part in range(0, len(self._alphas), ROWS):
            rows = slice(part, part + ROWS)
            slopes = self._slopes(encoded, line, torch.from_numpy(self._alphas[rows]), targets)
            scores += np.einsum("b,bkt->kt", self._weights[rows], slopes)
        return Integral(changes.numpy(), scores, line.differs.numpy())

    def _slopes(self, encoded: Any, line: "_Line", alphas: Tensor, targets: Sequence[Target]) -> Floats:
        """(B, K, T): every token's part of the derivative of every target."""
        inputs = {name: values.expand(len(alphas), -1) for name, values in encoded.items()}
        with line.moved(alphas):
            logits = self._network(**inputs).logits
        classes = range(logits.shape[1])
        of_logits = [line.sums(logits[:, index].sum(), last=index == classes[-1]) for index in classes]
        outer = logits.detach().double().requires_grad_()
        chain = [torch.autograd.grad(_value(outer, each).sum(), outer)[0] for each in targets]
        slopes: Floats = torch.einsum("kbc,cbt->bkt", torch.stack(chain), torch.stack(of_logits)).numpy()
        return slopes


class _Line:
    """Replaces what the tables of tokens put out by places between two texts."""

    def __init__(self, network: nn.Module, ids: Tensor, special: Tensor, token: int) -> None:
        config: Any = network.config
        table = network.get_input_embeddings().weight  # type: ignore[operator]
        kept = {*ids[special].tolist(), config.decoder_start_token_id if config.is_encoder_decoder else None}
        self._kept = torch.tensor(sorted(each for each in kept if each is not None), dtype=torch.long)
        self._tables = [
            each for each in network.modules() if isinstance(each, nn.Embedding) and each.weight is table
        ]
        self._ids, self._token = ids, token
        # XLNet looks its tokens up in columns.
        self._rows_last = config.model_type == "xlnet"
        self._leaves: list[tuple[Tensor, Tensor, int]] = []
        self.differs = self._start(ids) != ids

    @contextmanager
    def moved(self, alphas: Tensor) -> Iterator[None]:
        """Within it, one forward pass of a row for each alpha is at its place."""
        self._leaves.clear()
        weights = alphas.double()[None, :, None] if self._rows_last else alphas.double()[:, None, None]

        def replace(table: nn.Module, arguments: tuple[Tensor, ...], end: Tensor) -> Tensor:
            forward: Callable[..., Tensor] = type(table).forward
            start = forward(table, self._start(arguments[0]))
            place = torch.lerp(start.double(), end.double(), weights).to(end.dtype)
            place.requires_grad_(torch.is_grad_enabled())
            self._leaves.append((place, (end - start).double(), self._shift(arguments[0])))
            return place

        with ExitStack() as hooks:
            for each in self._tables:
                hooks.callback(each.register_forward_hook(replace).remove)
            yield

    def sums(self, total: Tensor, *, last: bool) -> Tensor:
        """(B, T): gradient times what moves, over all places that look a token up."""
        places = [place for place, _, _ in self._leaves]
        gradients = torch.autograd.grad(total, places, retain_graph=not last)
        found: Tensor = torch.zeros(())
        for gradient, (_, change, shift) in zip(gradients, self._leaves, strict=True):
            products = (gradient.double() * change).sum(dim=-1)
            rows = products.T if self._rows_last else products
            own = rows[:, shift : len(self._ids)]
            found = found + nn.functional.pad(own, (0, len(self._ids) - own.shape[1]))
        return found

    def _start(self, ids: Tensor) -> Tensor:
        return torch.where(torch.isin(ids, self._kept), ids, self._token)

    def _shift(self, ids: Tensor) -> int:
        """A decoder sees the text one place further."""
        row = (ids[:, 0] if self._rows_last else ids[0])[: len(self._ids)]
        if torch.equal(row, self._ids):
            return 0
        if torch.equal(row[1:], self._ids[:-1]):
            return 1
        raise RuntimeError("a model looks up what is not the text")


def _value(logits: Tensor, target: Target) -> Tensor:
    """(B, C) to (B,)."""
    index, space = target
    if space == "logit":
        return logits[:, index]
    if space == "probability":
        return torch.softmax(logits, dim=1)[:, index]
    others = [each for each in range(logits.shape[1]) if each != index]
    return logits[:, index] - torch.logsumexp(logits[:, others], dim=1)


def graded(panels: int) -> tuple[Floats, Floats]:
    """Alphas and weights of a rule on so many panels, narrow towards both ends."""
    halvings = min(HALVINGS, 2 * panels // 5)
    even = np.linspace(0.0, 1.0, panels - 2 * halvings + 1)
    near = even[1] * 0.5 ** np.arange(halvings, 0, -1)
    edges = np.concatenate([even[:1], near, even[1:-1], 1.0 - near[::-1], even[-1:]])
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    widths = np.diff(edges)[:, None]
    return (edges[:-1, None] + widths * (nodes + 1) / 2).ravel(), (widths * weights / 2).ravel()
