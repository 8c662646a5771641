"""How much memory a row takes while its gradient is computed."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RowMemory:
    """Bytes that are kept from the forward pass for the backward pass of a row of T tokens.

    Attributes:
        of_row: of any row.
        of_token: for each token.
        of_pair: for each pair of tokens, where a model keeps its attention.
        longest: most tokens that were tried; 0: none, nothing is known.
    """

    of_row: float = 0.0
    of_token: float = 0.0
    of_pair: float = 0.0
    longest: int = 0

    def bytes(self, tokens: int) -> float:
        """Of a row of so many tokens; 0 where nothing is known.

        Longer rows than were tried take at least as much for each token, also where attention is padded to
        windows.
        """
        longer = tokens / self.longest if tokens > self.longest > 0 else 0.0
        return max(0.0, self._fitted(tokens), longer * self._fitted(self.longest))

    def told(self) -> dict[str, int]:
        """The figures, in whole bytes."""
        return {"row": round(self.of_row), "token": round(self.of_token), "token_pair": round(self.of_pair)}

    def _fitted(self, tokens: int) -> float:
        return self.of_row + self.of_token * tokens + self.of_pair * tokens**2
