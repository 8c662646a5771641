"""Rules of the explainers' messages."""

from collections.abc import Sequence

from ligserve.server.validation.images import check_image, check_noise_tunnel
from ligserve.server.validation.rules import Violations
from ligserve.v1 import explanation_pb2 as pb
from ligserve.v1 import explanation_service_pb2 as service_pb

MAX_TARGETS = 64
MAX_LABELS = 1000
MAX_IGNORED = 100_000
MAX_ANSWER_TOKENS = 512
# Where the label goes in a hypothesis.
PLACE = "{}"


def check_explainer(found: Violations, request: service_pb.ExplainRequest, max_text_chars: int) -> None:
    """Check the explainer that a request holds, by its own rules."""
    match request.WhichOneof("explainer"):
        case None:
            found.add("explainer", "one explainer must be given, such as sequence_classification")
        case "sequence_classification":
            check_sequence_classification(found, request.sequence_classification, max_text_chars)
        case "pairwise_sequence_classification":
            check_pairwise(found, request.pairwise_sequence_classification, max_text_chars)
        case "multi_label_classification":
            check_multi_label(found, request.multi_label_classification, max_text_chars)
        case "zero_shot_classification":
            check_zero_shot(found, request.zero_shot_classification, max_text_chars)
        case "token_classification":
            check_token_classification(found, request.token_classification, max_text_chars)
            check_not_aggregated(found, request.options)
        case "question_answering":
            check_question_answering(found, request.question_answering, max_text_chars)
            check_explained_logit(found, request.options)
            check_one_answer(found, request.options)
        case "image_classification":
            check_image_classification(found, request.image_classification)


def check_sequence_classification(
    found: Violations, message: pb.SequenceClassification, max_text_chars: int
) -> None:
    """Check the text, the targets and the names of the labels."""
    path = "sequence_classification"
    found.text(f"{path}.text", message.text, max_text_chars)
    check_targets(found, f"{path}.targets", message.targets)
    check_custom_labels(found, f"{path}.custom_labels", message.custom_labels)


def check_pairwise(
    found: Violations, message: pb.PairwiseSequenceClassification, max_text_chars: int
) -> None:
    """Check both texts, the targets and the names of the labels."""
    path = "pairwise_sequence_classification"
    found.text(f"{path}.text1", message.text1, max_text_chars)
    found.text(f"{path}.text2", message.text2, max_text_chars)
    check_targets(found, f"{path}.targets", message.targets)
    check_custom_labels(found, f"{path}.custom_labels", message.custom_labels)


def check_multi_label(found: Violations, message: pb.MultiLabelClassification, max_text_chars: int) -> None:
    """Check the text, the labels and their names."""
    path = "multi_label_classification"
    found.text(f"{path}.text", message.text, max_text_chars)
    if len(message.labels) > MAX_LABELS:
        count = len(message.labels)
        found.add(f"{path}.labels", f"holds {count} labels, but may hold at most {MAX_LABELS}")
    else:
        for i, label in enumerate(message.labels):
            check_class(found, f"{path}.labels[{i}]", label)
    check_custom_labels(found, f"{path}.custom_labels", message.custom_labels)


def check_zero_shot(found: Violations, message: pb.ZeroShotClassification, max_text_chars: int) -> None:
    """Check the text, the candidate labels and the template."""
    path = "zero_shot_classification"
    found.text(f"{path}.text", message.text, max_text_chars)
    if not 1 <= len(message.labels) <= MAX_LABELS:
        count = len(message.labels)
        found.add(f"{path}.labels", f"holds {count} labels, but must hold 1 to {MAX_LABELS}")
    else:
        for i, label in enumerate(message.labels):
            found.text(f"{path}.labels[{i}]", label, max_text_chars)
    if message.HasField("hypothesis_template"):
        check_template(found, f"{path}.hypothesis_template", message.hypothesis_template, max_text_chars)


def check_token_classification(
    found: Violations, message: pb.TokenClassification, max_text_chars: int
) -> None:
    """Check the text, and what is left out; whether a text has such tokens is known once it is read."""
    path = "token_classification"
    found.text(f"{path}.text", message.text, max_text_chars)
    if len(message.ignored_indexes) > MAX_IGNORED:
        count = len(message.ignored_indexes)
        found.add(f"{path}.ignored_indexes", f"holds {count} indexes, but may hold at most {MAX_IGNORED}")
    if len(message.ignored_labels) > MAX_LABELS:
        count = len(message.ignored_labels)
        found.add(f"{path}.ignored_labels", f"holds {count} labels, but may hold at most {MAX_LABELS}")
        return
    for i, label in enumerate(message.ignored_labels):
        if not label:
            found.add(f"{path}.ignored_labels[{i}]", "must not be empty")


def check_not_aggregated(found: Violations, options: pb.ExplainOptions) -> None:
    """Check that nobody asks for the output of a whole document where every token has one of its own."""
    _check_aggregate(
        found,
        options,
        "in token classification",
        "each token is explained where it has most context",
    )


def check_one_answer(found: Violations, options: pb.ExplainOptions) -> None:
    """Check that nobody asks for a mean of answers."""
    _check_aggregate(found, options, "in question answering", "the answer is the best one of all of them")


def _check_aggregate(found: Violations, options: pb.ExplainOptions, where: str, what: str) -> None:
    window = pb.LongInput.Window
    if options.long_input.window.aggregate not in (window.AGGREGATE_UNSPECIFIED, window.AGGREGATE_MEAN):
        found.add(
            "options.long_input.window.aggregate",
            f"must be MEAN or not set: {where} windows are not aggregated, {what}",
        )


def check_question_answering(found: Violations, message: pb.QuestionAnswering, max_text_chars: int) -> None:
    """Check both texts and the longest answer."""
    path = "question_answering"
    found.text(f"{path}.question", message.question, max_text_chars)
    found.text(f"{path}.context", message.context, max_text_chars)
    if message.HasField("max_answer_tokens"):
        found.whole_number(f"{path}.max_answer_tokens", message.max_answer_tokens, 1, MAX_ANSWER_TOKENS)


def check_explained_logit(found: Violations, options: pb.ExplainOptions) -> None:
    """Check that nobody asks for a probability where the library explains a logit."""
    others = (pb.OUTPUT_SPACE_PROBABILITY, pb.OUTPUT_SPACE_LOG_ODDS)
    if options.convention == pb.CONVENTION_LIBRARY and options.output_space in others:
        found.add(
            "options.output_space",
            "must be LOGIT or not set: question answering in the LIBRARY convention explains a logit",
        )


def check_image_classification(found: Violations, message: pb.ImageClassification) -> None:
    """Check the image, the targets, the names of the labels and the noise."""
    path = "image_classification"
    check_image(found, path, message)
    check_targets(found, f"{path}.targets", message.targets)
    check_custom_labels(found, f"{path}.custom_labels", message.custom_labels)
    if message.HasField("noise_tunnel"):
        check_noise_tunnel(found, f"{path}.noise_tunnel", message.noise_tunnel)


def check_template(found: Violations, path: str, template: str, max_text_chars: int) -> None:
    """Check that there is one place for the label."""
    places = template.count(PLACE)
    if places != 1:
        found.add(path, f"holds {places} places for the label, but must hold one {PLACE}")
    elif len(template) > max_text_chars:
        found.text(path, template, max_text_chars)


def check_targets(found: Violations, path: str, targets: Sequence[pb.ClassTarget]) -> None:
    """Check the number of targets, that each class is named, and the output spaces."""
    if len(targets) > MAX_TARGETS:
        found.add(path, f"holds {len(targets)} targets, but may hold at most {MAX_TARGETS}")
        return
    for i, target in enumerate(targets):
        if target.HasField("label"):
            check_class(found, f"{path}[{i}].label", target.label)
        if target.HasField("versus"):
            check_class(found, f"{path}[{i}].versus", target.versus)
        found.known_enum(f"{path}[{i}].output_space", target.output_space, pb.OutputSpace)


def check_class(found: Violations, path: str, reference: pb.ClassReference) -> None:
    """Check that a class is named one way or the other."""
    chosen = reference.WhichOneof("reference")
    if chosen is None:
        found.add(path, "must name a class, by index or by name")
    elif chosen == "name" and not reference.name:
        found.add(f"{path}.name", "must not be empty")


def check_custom_labels(found: Violations, path: str, labels: Sequence[str]) -> None:
    """Check that names are there and differ."""
    seen: dict[str, int] = {}
    for i, label in enumerate(labels):
        if not label:
            found.add(f"{path}[{i}]", "must not be empty")
        elif label in seen:
            found.add(f"{path}[{i}]", f"is {label!r}, as is [{seen[label]}]; names must differ")
        else:
            seen[label] = i
