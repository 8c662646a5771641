"""The scores of one call, under the names that transformers-interpret gives them."""

from dataclasses import dataclass

from ligserve.client.explainers.errors import AttributionsNotCalculatedError
from ligserve.client.types.explanation import Explanation
from ligserve.client.types.targets import normalised


@dataclass(frozen=True, slots=True)
class LIGAttributions:
    """Layer Integrated Gradients of one target.

    Attributes:
        tokens: the tokens, without the "Ġ" of byte-level tokenizers.
        attributions_sum: one normalised score per token; for the first tokens only where the rest was cut.
        delta: the true convergence delta on the path, in place of the library's, which is not one.
        n_steps: steps that were asked for.
        internal_batch_size: as the caller gave it; the server packs its batches by itself.
    """

    tokens: tuple[str, ...]
    attributions_sum: tuple[float, ...]
    delta: float
    n_steps: int
    internal_batch_size: int | None = None

    @classmethod
    def from_explanation(
        cls,
        explanation: Explanation,
        n_steps: int,
        internal_batch_size: int | None,
        target: int = 0,
        end: int | None = None,
    ) -> "LIGAttributions":
        """The attributions of one of an explanation's targets, normalised over the tokens before `end`."""
        explained = explanation.targets[target]
        return cls(
            tokens=tuple(token.text.replace("Ġ", "") for token in explanation.tokens_of(target)),
            attributions_sum=normalised(explained.scores[:end]),
            delta=explained.convergence_delta,
            n_steps=n_steps,
            internal_batch_size=internal_batch_size,
        )

    @property
    def word_attributions(self) -> list[tuple[str, float]]:
        """Tokens with their scores.

        Raises:
            AttributionsNotCalculatedError: there are none.
        """
        if not self.attributions_sum:
            raise AttributionsNotCalculatedError("Attributions are not yet calculated")
        return list(zip(self.tokens, self.attributions_sum, strict=False))
