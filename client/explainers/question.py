"""What one call of a drop-in explainer asks for."""

from dataclasses import dataclass, replace

from ligserve.client.options import ExplainKeywords, LongInputLike
from ligserve.client.quantities import check_whole
from ligserve.client.tasks import Task
from ligserve.client.types.enums import Convention, EmbeddingLayer, OutputSpace


@dataclass(frozen=True, slots=True)
class CallOptions:
    """The arguments that every explainer's `__call__` takes, as the caller gave them."""

    embedding_type: int | None
    internal_batch_size: int | None
    n_steps: int | None
    tolerance: float | None
    output_space: OutputSpace | str | None
    timeout: float | None
    long_input: LongInputLike | None = None

    def __post_init__(self) -> None:
        # Before the explainer remembers them for its next calls.
        if self.n_steps is not None:
            check_whole("n_steps", self.n_steps)
        if self.tolerance is not None and self.n_steps is not None:
            raise ValueError("give either n_steps or tolerance, not both")

    def keywords(self, n_steps: int) -> ExplainKeywords:
        """The keyword arguments of the client's explain(), but for the convention."""
        layer = EmbeddingLayer.POSITION if self.embedding_type == 1 else EmbeddingLayer.WORD
        keywords = ExplainKeywords(embedding_layer=layer, output_space=self.output_space)
        if self.tolerance is None:
            keywords["n_steps"] = n_steps
        else:
            keywords["tolerance"] = self.tolerance
        if self.timeout is not None:
            keywords["timeout"] = self.timeout
        if self.long_input is not None:
            keywords["long_input"] = self.long_input
        return keywords


@dataclass(frozen=True, slots=True)
class Question:
    """The task and options to send."""

    task: Task
    options: ExplainKeywords
    convention: Convention

    def faithful(self) -> "Question":
        """The same question in the other convention."""
        return replace(self, convention=Convention.FAITHFUL)

    @property
    def layer(self) -> EmbeddingLayer | str | None:
        """The embedding layer that is asked for."""
        return self.options.get("embedding_layer")

    def of_layer(self, layer: EmbeddingLayer) -> "Question":
        """The same question of another embedding layer."""
        return replace(self, options={**self.options, "embedding_layer": layer})

    def keywords(self) -> ExplainKeywords:
        """The keyword arguments of the client's explain()."""
        return {**self.options, "convention": self.convention}
