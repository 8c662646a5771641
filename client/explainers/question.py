"""What one call of a drop-in explainer asks for."""

from dataclasses import dataclass, replace

from ligserve.client.classes import ClassTarget
from ligserve.client.options import ExplainKeywords
from ligserve.client.tasks import SequenceClassification
from ligserve.client.types.enums import Convention, EmbeddingLayer, OutputSpace


@dataclass(frozen=True, slots=True)
class CallArguments:
    """The arguments of `__call__`, as the caller gave them."""

    text: str
    index: int | None
    class_name: str | None
    embedding_type: int | None
    internal_batch_size: int | None
    n_steps: int | None
    tolerance: float | None
    output_space: OutputSpace | str | None
    timeout: float | None

    def __post_init__(self) -> None:
        if self.tolerance is not None and self.n_steps is not None:
            raise ValueError("give either n_steps or tolerance, not both")


@dataclass(frozen=True, slots=True)
class Question:
    """The task and options to send."""

    task: SequenceClassification
    options: ExplainKeywords
    convention: Convention

    def faithful(self) -> "Question":
        """The same question in the other convention."""
        return replace(self, convention=Convention.FAITHFUL)

    def keywords(self) -> ExplainKeywords:
        """The keyword arguments of the client's explain()."""
        return {**self.options, "convention": self.convention}


def ask(
    arguments: CallArguments,
    selected: int | None,
    custom_labels: tuple[str, ...],
    n_steps: int,
    convention: Convention,
) -> Question:
    """The question that a call stands for; a selected class of None is the predicted one."""
    targets = () if selected is None else (ClassTarget(selected),)
    task = SequenceClassification(arguments.text, targets, custom_labels)
    layer = EmbeddingLayer.POSITION if arguments.embedding_type == 1 else EmbeddingLayer.WORD
    options = ExplainKeywords(embedding_layer=layer, output_space=arguments.output_space)
    if arguments.tolerance is None:
        options["n_steps"] = n_steps
    else:
        options["tolerance"] = arguments.tolerance
    if arguments.timeout is not None:
        options["timeout"] = arguments.timeout
    return Question(task, options, convention)
