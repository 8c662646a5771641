"""Where a path starts: the token that stands in for each token of the text."""

from ligserve.server.errors import FailedPreconditionError
from ligserve.server.workers.models.loaded import TextModel
from ligserve.v1 import explanation_pb2 as pb

DEFAULT_BASELINE = "pad_token"
_TOKEN_BASELINES = {
    "mask_token": "mask_token_id",
    "unknown_token": "unk_token_id",
}
BASELINES = (DEFAULT_BASELINE, *_TOKEN_BASELINES, "zero_embedding")


def baseline_kind(options: pb.ExplainOptions) -> str:
    """Name of the baseline asked for, or the default."""
    chosen = options.baselines[0].WhichOneof("kind") if options.baselines else None
    return chosen or DEFAULT_BASELINE


def replacement_token(model: TextModel, kind: str) -> int:
    """Id of the token that replaces the text's tokens; for zero_embedding any id, its vector is unused.

    Raises:
        FailedPreconditionError: the tokenizer has no such token.
    """
    token = token_or_none(model, kind)
    if token is None:
        raise FailedPreconditionError(
            f"model '{model.name}' has no token for the baseline {kind}; "
            f"it supports {', '.join(supported_baselines(model))}",
            reason="BASELINE_UNSUPPORTED",
        )
    return token


def supported_baselines(model: TextModel) -> list[str]:
    """Names of the baselines that this model's tokenizer allows."""
    return [kind for kind in BASELINES if token_or_none(model, kind) is not None]


def token_or_none(model: TextModel, kind: str) -> int | None:
    """Id of the baseline's token, None where the tokenizer has none."""
    if kind == "zero_embedding":
        return model.pad_token_id
    if kind == DEFAULT_BASELINE:
        return _padding_token(model)
    token: int | None = getattr(model.tokenizer, _TOKEN_BASELINES[kind])
    return token


def _padding_token(model: TextModel) -> int | None:
    """The padding token; models that never had one (GPT-2) start from the end-of-text token."""
    tokenizer = model.tokenizer
    if model.network.config.model_type == "gpt2" or tokenizer.pad_token_id is None:
        return tokenizer.eos_token_id  # type: ignore[no-any-return]
    return tokenizer.pad_token_id  # type: ignore[no-any-return]
