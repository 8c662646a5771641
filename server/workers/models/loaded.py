"""A checkpoint in memory: weights, tokenizer or image processor, and the facts that requests depend on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from transformers import BaseImageProcessor, PreTrainedModel, PreTrainedTokenizerFast

from ligserve.server.errors import FailedPreconditionError
from ligserve.server.workers.failures import is_out_of_memory
from ligserve.server.workers.models.head import Head
from ligserve.server.workers.models.layers import EmbeddingLayer
from ligserve.server.workers.models.matrices import RoundedMatrices
from ligserve.server.workers.models.precision import MATRIX_TYPES, Precision, precision_name
from ligserve.server.workers.models.row_memory import RowMemory
from ligserve.server.workers.models.transfer import DirectTransfer, Transfer
from ligserve.v1 import explanation_pb2

# One row's inputs by the name of the forward pass' parameter, each without the batch dimension.
RowInputs = Mapping[str, Tensor]
# Where no probe has found another.
DEFAULT_TOKEN_BUDGET = 1024
# Why an explainer cannot be served in a convention, by both.
Refusals = Mapping[tuple[str, "explanation_pb2.Convention.ValueType"], str]


@dataclass(frozen=True, kw_only=True)
class LoadedModel:
    """A model that is ready to be explained; its parameters take no gradient.

    Attributes:
        name: the name that requests use.
        revision: commit of a hub model, or a digest of a local directory's files.
        network: the model, in evaluation mode.
        head: what its last layer answers.
        labels: one name per logit, in order; empty where the head has no labels.
        parameters: names of the forward pass' parameters.
        pads_safely: whether padding leaves a row's logits alone, so that lengths may be mixed.
        first_token_only: whether its last layer works out the first token alone, as its head reads no other.
        same_in_batches: whether a batch leaves a row's probabilities alone, so that it may tell predictions.
        precisions: what paths can be computed in, the default first.
        refusals: what the probe found not to work, and why.
        rounded: the network's matrices in other precisions.
        token_budget: rows x padded length from which on larger batches are no faster.
        batches_tried: token passes and seconds of batches that were tried when it was loaded.
        row_memory: what a row of a batch takes.
        transfer: copies to the device that the weights are on, and back.
    """

    name: str
    revision: str
    network: PreTrainedModel
    head: Head
    labels: tuple[str, ...]
    parameters: frozenset[str]
    pads_safely: bool = True
    first_token_only: bool = False
    same_in_batches: bool = False
    precisions: tuple[Precision, ...] = (explanation_pb2.PRECISION_FLOAT32,)
    refusals: Refusals = field(default_factory=dict)
    rounded: RoundedMatrices = field(default_factory=RoundedMatrices)
    token_budget: int = DEFAULT_TOKEN_BUDGET
    batches_tried: Sequence[tuple[int, float]] = ()
    row_memory: RowMemory = field(default_factory=RowMemory)
    transfer: Transfer = field(default_factory=DirectTransfer)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.network.device

    @property
    def num_logits(self) -> int:
        """Number of outputs, of each token where the head judges tokens; 1 for a single-logit head."""
        return self.head.unlabelled or len(self.labels)

    def batch(self, rows: Sequence[RowInputs]) -> dict[str, Tensor]:
        """Rows of equal keys and shapes as one batch."""
        return {name: self.transfer.send(torch.stack([row[name] for row in rows])) for name in rows[0]}

    def logits(
        self, inputs: Mapping[str, Tensor], precision: Precision = explanation_pb2.PRECISION_FLOAT32
    ) -> Tensor:
        """The forward pass: (B, C) or (B, T, C), in float64, so that what follows adds no rounding.

        Raises:
            FailedPreconditionError: the model's code fails in that precision.
        """
        output = self.network(**inputs) if precision not in MATRIX_TYPES else self._coarse(inputs, precision)
        return self.head.logits(output).double()

    def _coarse(self, inputs: Mapping[str, Tensor], precision: Precision) -> Any:
        try:
            return self.rounded.run(self.network, inputs, MATRIX_TYPES[precision])
        except Exception as error:  # whatever a model's code raises that mixes types
            if is_out_of_memory(error):
                raise
            raise FailedPreconditionError(
                f"model '{self.name}' cannot be computed in {precision_name(precision)}; ask for float32 "
                f"({type(error).__name__}: {' '.join(str(error).split())[:300]})",
                reason="PRECISION_UNSUPPORTED",
            ) from error


@dataclass(frozen=True, kw_only=True)
class TextModel(LoadedModel):
    """A model of text.

    Attributes:
        tokenizer: its fast tokenizer.
        max_tokens: most tokens of an input, special tokens included; 0 where no limit is known.
        layers: the embedding layers that a path can move.
        length_step: what the length of a batch is a multiple of, where padding leaves its rows alone.
    """

    tokenizer: PreTrainedTokenizerFast
    max_tokens: int
    layers: Mapping["explanation_pb2.EmbeddingLayer.ValueType", EmbeddingLayer]
    length_step: int = 1

    @property
    def pad_token_id(self) -> int:
        """The id that fills short rows; it is masked, so its value only has to be in the vocabulary."""
        return max(0, self.network.config.pad_token_id or 0)

    @property
    def first_position(self) -> int:
        """The position id of a text's first token; some architectures count from their padding id on."""
        return 0 if self._position_padding is None else self._position_padding + 1

    def positions(self, ids: Tensor) -> Tensor:
        """(T,) position ids that the model gives a row by itself.

        Where it counts from its padding id on, padding tokens stay there.
        """
        if self._position_padding is None:
            return torch.arange(len(ids))
        counted = (ids != self._position_padding).long()
        return counted.cumsum(0) * counted + self._position_padding

    @property
    def _position_padding(self) -> int | None:
        layer = self.layers.get(explanation_pb2.EMBEDDING_LAYER_POSITION)
        padding: int | None = getattr(layer.modules[0], "padding_idx", None) if layer else None
        return padding

    def padded_length(self, tokens: int) -> int:
        """The length of a batch whose longest row has so many tokens."""
        if not self.pads_safely:
            return tokens
        rounded = -(-tokens // self.length_step) * self.length_step
        return min(rounded, max(tokens, self.max_tokens)) if self.max_tokens else rounded

    def batch(self, rows: Sequence[RowInputs]) -> dict[str, Tensor]:
        """Rows of equal keys as one batch, each input (B, T), short rows padded on the right."""
        length = self.padded_length(max(row["input_ids"].shape[0] for row in rows))
        fill = {"input_ids": self.pad_token_id}
        padded = {name: [_padded(row[name], length, fill.get(name, 0)) for row in rows] for name in rows[0]}
        send = {"attention_mask": self.transfer.send_mask}
        return {
            name: send.get(name, self.transfer.send)(torch.stack(values)) for name, values in padded.items()
        }


@dataclass(frozen=True, kw_only=True)
class ImageModel(LoadedModel):
    """A model of images.

    Attributes:
        processor: its image processor.
    """

    processor: BaseImageProcessor

    @property
    def channels(self) -> int:
        """Colour channels of its input."""
        return int(getattr(self.network.config, "num_channels", None) or 3)

    @property
    def patch_size(self) -> int | None:
        """Side of the square patches that the model looks at first, in pixels; None where none is known."""
        size = getattr(self.network.config, "patch_size", None)
        return size if isinstance(size, int) and size > 0 else None

    @property
    def merges_patches(self) -> bool:
        """Whether it has stages, each of which looks at coarser patches than the one before."""
        return hasattr(self.network.config, "depths")


def _padded(values: Tensor, length: int, fill: int) -> Tensor:
    return nn.functional.pad(values, (0, length - values.shape[0]), value=fill)
