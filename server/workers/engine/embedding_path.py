"""A path that moves the embeddings of a text."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ligserve.server.errors import FailedPreconditionError
from ligserve.server.workers.engine.row_digest import row_digest
from ligserve.server.workers.engine.spec import Ends, PathSpec
from ligserve.server.workers.models.layers import EmbeddingLayer, layer_outputs, replaced_outputs
from ligserve.server.workers.models.loaded import RowInputs, TextModel
from ligserve.server.workers.models.precision import Precision
from ligserve.v1 import explanation_pb2 as pb

# Inputs that the look-up of words does not depend on.
_NOT_LOOKED_UP = {"position_ids", "token_type_ids", "attention_mask"}
# Special tokens that models look for in a row, to find its end or its parts.
_SOUGHT_ROLES = ("bos", "eos", "sep", "pad", "cls", "mask")


@dataclass(frozen=True)
class EmbeddingPathSpec(PathSpec):
    """From the embeddings of a baseline to those of the input.

    Attributes:
        model: the model.
        layer: the layer whose output moves.
        row: inputs of the end of the path, kept along it.
        baseline_row: inputs whose layer output is the start of the path.
        prediction_row: inputs of the prediction; a plain forward pass, so that it is the deployed one.
        zeroed: (T,) bool, tokens whose start is the zero vector; None for none.
        precision: the arithmetic of its points.
    """

    model: TextModel
    layer: EmbeddingLayer
    row: RowInputs
    baseline_row: RowInputs
    prediction_row: RowInputs
    zeroed: Tensor | None = None
    precision: Precision = pb.PRECISION_FLOAT32

    @property
    def length(self) -> int:
        """T, the number of tokens: each has a score."""
        return int(self.row["input_ids"].shape[0])

    @property
    def tokens(self) -> int:
        """T."""
        return self.length

    @property
    def identity(self) -> bytes | None:
        """A digest of all that a path depends on; no input can be read from it."""
        modules = repr((self.precision, [id(module) for module in self.layer.modules])).encode()
        return row_digest(self.row, self.baseline_row, self._zeroed_row, salt=modules)

    @property
    def stands_still(self) -> bool:
        """Whether the input is its own baseline."""
        if self.zeroed is not None and self.zeroed.any():
            return False
        looks_up_words = self.layer is self.model.layers[pb.EMBEDDING_LAYER_WORD]
        passed = _NOT_LOOKED_UP if looks_up_words else set()
        row, other = (
            {name: each[name] for name in each.keys() - passed} for each in (self.row, self.baseline_row)
        )
        return row.keys() == other.keys() and all(torch.equal(row[name], other[name]) for name in row)

    @property
    def start_key(self) -> bytes | None:
        """A digest of all that the output at the path's start depends on.

        Past its look-ups, which are replaced, a model reads token ids only to find special ones.
        """
        if self.layer is self.model.layers.get(pb.EMBEDDING_LAYER_POSITION):
            return None
        ids, tokenizer = self.row["input_ids"], self.model.tokenizer
        # An unknown word is one as any, unless its token stands for something else too, as GPT-2's does.
        sought = {getattr(tokenizer, f"{role}_token_id") for role in _SOUGHT_ROLES} - {None}
        sought |= set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
        special = torch.isin(ids, torch.tensor(sorted(sought), dtype=ids.dtype))
        kept = {**self.row, "input_ids": torch.where(special, ids, -1)}
        return row_digest(kept, self.baseline_row, self._zeroed_row)

    @property
    def batch_key(self) -> Hashable:
        """Rows of one model, layer and arithmetic; of one length where padding changes the model's output."""
        length = None if self.model.pads_safely else self.length
        return (self.model.name, self.layer, tuple(sorted(self.row)), length, self.precision)

    def check(self) -> None:
        """Refuse a token that the model has no embedding for.

        Raises:
            FailedPreconditionError: the tokenizer gives such a token.
        """
        table = self.model.network.get_input_embeddings()
        largest = int(self.row["input_ids"].max())
        if isinstance(table, nn.Embedding) and largest >= table.num_embeddings:
            raise FailedPreconditionError(
                f"the tokenizer of model '{self.model.name}' gives token {largest} "
                f"({self.model.tokenizer.convert_ids_to_tokens(largest)!r}), "
                f"the model has only {table.num_embeddings} embeddings",
                reason="TOKENIZER_MISMATCH",
            )

    def ends(self) -> list[Ends]:
        """The layer's output for the baseline and for the input, each (T, d), for every look-up."""
        starts, ends = (self._outputs(row) for row in (self.baseline_row, self.row))
        pairs = zip(starts, ends, self.layer.shifts, strict=True)
        return [(self._start(start, shift), end) for start, end, shift in pairs]

    def run(
        self,
        rows: Sequence[RowInputs],
        moved: Sequence[Tensor],
        precision: Precision = pb.PRECISION_FLOAT32,
    ) -> Tensor:
        """The logits of rows whose look-ups put out `moved`."""
        with replaced_outputs(self.layer, moved):
            return self.model.logits(self.model.batch(rows), precision)

    def scores(self, products: Sequence[Tensor]) -> Tensor:
        """(B, T): each token's sum over the embedding, over all the places that look it up."""
        sums = [product.sum(dim=-1, dtype=torch.float64) for product in products]
        total = torch.zeros_like(sums[0][:, : self.length])
        for part, shift in zip(sums, self.layer.shifts, strict=True):
            total[:, : self.length - shift] += part[:, shift : self.length]
        return total

    @property
    def _zeroed_row(self) -> RowInputs:
        return {} if self.zeroed is None else {"zeroed": self.zeroed}

    def _outputs(self, row: RowInputs) -> list[Tensor]:
        return layer_outputs(self.model.network, self.layer, self.model.batch([row]))

    def _start(self, start: Tensor, shift: int) -> Tensor:
        if self.zeroed is None:
            return start
        zeroed = nn.functional.pad(self.zeroed, (shift, 0))[: len(start)]
        return torch.where(self.model.transfer.send(zeroed)[:, None], torch.zeros_like(start), start)
