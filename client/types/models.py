"""The models that a server can explain."""

from dataclasses import dataclass

from ligserve.client.types.enums import (
    Aggregate,
    Convention,
    EmbeddingLayer,
    LongInputPolicy,
    Precision,
    from_number,
)
from ligserve.client.types.plain import to_plain
from ligserve.v1 import explanation_pb2 as pb
from ligserve.v1 import model_service_pb2 as model_pb


@dataclass(frozen=True, slots=True)
class LongInputSupport:
    """What an explainer does with texts that are longer than the model takes, in one convention.

    Attributes:
        convention: the convention.
        policies: what can be asked for.
        default_policy: what is meant where a request names none.
        aggregates: how windows may be aggregated, the default first; none where each target is about one
            window.
    """

    convention: Convention
    policies: tuple[LongInputPolicy, ...]
    default_policy: LongInputPolicy
    aggregates: tuple[Aggregate, ...]

    @classmethod
    def from_proto(cls, message: model_pb.LongInputSupport) -> "LongInputSupport":
        """Read a message; what this client does not know is left out."""
        aggregates, known = pb.LongInput.Window.Aggregate.items(), set(LongInputPolicy)
        default = message.default_policy
        return cls(
            convention=_convention(message.convention),
            policies=tuple(LongInputPolicy(policy) for policy in message.policies if policy in known),
            default_policy=LongInputPolicy(default) if default in known else LongInputPolicy.REFUSE,
            aggregates=tuple(
                Aggregate(name.removeprefix("AGGREGATE_").lower())
                for number in message.aggregates
                for name, value in aggregates
                if value == number and name.removeprefix("AGGREGATE_") in Aggregate.__members__
            ),
        )


@dataclass(frozen=True, slots=True)
class ExplainerSupport:
    """One explainer that a model supports.

    Attributes:
        explainer: name of its field in ExplainRequest, such as "sequence_classification".
        conventions: the conventions that work.
        embedding_layers: the layers that a path can move.
        baselines: the baselines that work, such as "pad_token".
        refusals: what does not work, and why.
        long_inputs: what it does with texts that are longer than the model takes, for each convention that
            works; none for images.
    """

    explainer: str
    conventions: tuple[Convention, ...]
    embedding_layers: tuple[EmbeddingLayer, ...]
    baselines: tuple[str, ...]
    refusals: tuple[str, ...]
    long_inputs: tuple[LongInputSupport, ...] = ()

    @classmethod
    def from_proto(cls, message: model_pb.ExplainerSupport) -> "ExplainerSupport":
        """Read a message."""
        layers = pb.EmbeddingLayer.items()
        return cls(
            explainer=message.explainer,
            conventions=tuple(map(_convention, message.conventions)),
            embedding_layers=tuple(
                from_number(layers, "EMBEDDING_LAYER_", n, EmbeddingLayer.WORD)
                for n in message.embedding_layers
            ),
            baselines=tuple(message.baselines),
            refusals=tuple(message.refusals),
            long_inputs=tuple(map(LongInputSupport.from_proto, message.long_inputs)),
        )

    def takes(self, policy: LongInputPolicy | str) -> bool:
        """Whether a policy for long inputs can be asked for, in any convention."""
        return any(policy in each.policies for each in self.long_inputs)


def _convention(number: int) -> Convention:
    return from_number(pb.Convention.items(), "CONVENTION_", number, Convention.FAITHFUL)


@dataclass(frozen=True, slots=True)
class Model:
    """A pinned checkpoint with its tokenizer.

    Attributes:
        name: the name that requests use.
        revision: commit of a hub model, or a digest of a local directory's files.
        architecture: class in transformers, such as "BertForSequenceClassification".
        model_type: such as "bert".
        labels: the labels, in the order of the model's outputs.
        num_logits: 1 for a model with a single logit, whatever labels it lists.
        max_tokens: most tokens of one input, special tokens included; None: no limit known.
        dtype: arithmetic of its predictions, such as "float32".
        parameters: number of parameters.
        explainers: what can be asked of it.
        workers: the workers that hold it now.
        precisions: arithmetic that paths can be computed in, the model's own first.
    """

    name: str
    revision: str
    architecture: str
    model_type: str
    labels: tuple[str, ...]
    num_logits: int
    max_tokens: int | None
    dtype: str
    parameters: int
    explainers: tuple[ExplainerSupport, ...]
    workers: tuple[str, ...]
    precisions: tuple[Precision, ...]

    @classmethod
    def from_proto(cls, message: model_pb.Model) -> "Model":
        """Read a message."""
        return cls(
            name=message.name,
            revision=message.revision,
            architecture=message.architecture,
            model_type=message.model_type,
            labels=tuple(message.labels),
            num_logits=message.num_logits,
            max_tokens=message.max_tokens or None,
            dtype=message.dtype,
            parameters=message.parameters,
            explainers=tuple(map(ExplainerSupport.from_proto, message.explainers)),
            workers=tuple(message.workers),
            precisions=tuple(
                from_number(pb.Precision.items(), "PRECISION_", number, Precision.FLOAT32)
                for number in message.precisions
            ),
        )

    def to_dict(self) -> dict[str, object]:
        """The model as a dict that JSON can carry."""
        return {name: to_plain(getattr(self, name)) for name in self.__slots__}
