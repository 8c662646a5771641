"""A checkpoint in memory: weights, tokenizer, and the facts that requests depend on."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from ligserve.v1 import explanation_pb2

# One row's inputs by the name of the forward pass' parameter, each (T,).
RowInputs = Mapping[str, Tensor]


@dataclass(frozen=True)
class LoadedModel:
    """A classifier that is ready to be explained; its parameters take no gradient.

    Attributes:
        name: the name that requests use.
        revision: commit of a hub model, or a digest of a local directory's files.
        network: the model, in evaluation mode.
        tokenizer: its fast tokenizer.
        labels: one name per logit, in order.
        max_tokens: most tokens of an input, special tokens included; 0 where no limit is known.
        parameters: names of the forward pass' parameters.
        layers: the embedding layers that a path can move.
        pads_safely: whether padding leaves a row's logits alone, so that lengths may be mixed.
        library_refusal: why the LIBRARY convention cannot be served; empty where it can.
        faithful_refusal: why the FAITHFUL convention cannot be served; empty where it can.
        library_pair_refusal: the same for pairs of texts in LIBRARY.
        faithful_pair_refusal: the same for pairs of texts in FAITHFUL.
    """

    name: str
    revision: str
    network: PreTrainedModel
    tokenizer: PreTrainedTokenizerFast
    labels: tuple[str, ...]
    max_tokens: int
    parameters: frozenset[str]
    layers: Mapping["explanation_pb2.EmbeddingLayer.ValueType", nn.Module]
    pads_safely: bool = True
    library_refusal: str = ""
    faithful_refusal: str = ""
    library_pair_refusal: str = ""
    faithful_pair_refusal: str = ""

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.network.device

    @property
    def num_logits(self) -> int:
        """Number of outputs; 1 for a single-logit head."""
        return len(self.labels)

    @property
    def pad_token_id(self) -> int:
        """The id that fills short rows; it is masked, so its value only has to be in the vocabulary."""
        return max(0, self.network.config.pad_token_id or 0)

    @property
    def first_position(self) -> int:
        """The position id of a text's first token; some architectures count from their padding id on."""
        table = self.layers.get(explanation_pb2.EMBEDDING_LAYER_POSITION)
        padding = getattr(table, "padding_idx", None)
        return 0 if padding is None else int(padding) + 1

    def batch(self, rows: list[RowInputs]) -> dict[str, Tensor]:
        """Rows of equal keys as one batch, each input (B, T), short rows padded on the right."""
        length = max(row["input_ids"].shape[0] for row in rows)
        fill = {"input_ids": self.pad_token_id}
        return {
            name: torch.stack([_padded(row[name], length, fill.get(name, 0)) for row in rows]).to(self.device)
            for name in rows[0]
        }

    def logits(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """The forward pass: (B, C) in float64, so that what follows adds no rounding."""
        output: Tensor = self.network(**inputs).logits
        return output.double()


def _padded(values: Tensor, length: int, fill: int) -> Tensor:
    return nn.functional.pad(values, (0, length - values.shape[0]), value=fill)
