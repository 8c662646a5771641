"""`ligserve explain`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from ligserve.client.cli.answer import Answer
from ligserve.client.cli.estimate import tell_cost
from ligserve.client.cli.options import DEFAULT_SERVER, PATIENCE_S, AsJson, Server, Timeout
from ligserve.client.cli.tasks import Asked
from ligserve.client.errors import InvalidRequestError
from ligserve.client.options import ExplainKeywords, Window
from ligserve.client.sync import Client
from ligserve.client.types.enums import (
    Accuracy,
    Aggregate,
    BaselineKind,
    Convention,
    LongInputPolicy,
    OutputSpace,
    Precision,
)

Text = Annotated[
    str | None,
    typer.Argument(help="The text (the context of a question); - reads it from standard input."),
]
ModelName = Annotated[str, typer.Option("--model", "-m", help="Name of a model; see `ligserve models`.")]
File = Annotated[Path | None, typer.Option("--file", "-f", help="Read the text from a file.")]
Targets = Annotated[
    list[str] | None,
    typer.Option(
        "--class", "--target", "-c", help="Class to explain: a name, or an index. May be given again."
    ),
]
Pair = Annotated[str | None, typer.Option("--pair", help="A second text: explain the pair.")]
Candidates = Annotated[
    list[str] | None,
    typer.Option("--label", "-l", help="Candidate label for zero-shot classification. May be given again."),
]
Hypothesis = Annotated[
    str | None, typer.Option("--hypothesis", help="Sentence with {} for the label; with --label.")
]
MultiLabel = Annotated[
    bool, typer.Option("--multi-label", help="Judge each label by itself: several may be true.")
]
AskedQuestion = Annotated[
    str | None, typer.Option("--question", "-q", help="Explain the answer that the text gives to it.")
]
Tokens = Annotated[bool, typer.Option("--tokens", help="Explain the label of each token.")]
IgnoredLabels = Annotated[
    list[str] | None,
    typer.Option("--ignore-label", help="Label of tokens to leave out, as O; with --tokens. Again for more."),
]
Steps = Annotated[int | None, typer.Option("--n-steps", help="A fixed number of quadrature nodes.")]
Exactness = Annotated[
    Accuracy | None, typer.Option("--accuracy", help="A tolerance by name: 5 %, 1 % or 0.1 %.")
]
Tolerated = Annotated[float | None, typer.Option("--tolerance", help="Relative error to reach.")]
Habits = Annotated[Convention | None, typer.Option("--convention", help="Whose habits to follow.")]
Space = Annotated[OutputSpace | None, typer.Option("--output-space", help="What is explained.")]
Arithmetic = Annotated[
    Precision | None, typer.Option("--precision", help="Arithmetic of the passes along the path.")
]
Baselines = Annotated[
    list[BaselineKind] | None, typer.Option("--baseline", help="Where paths start. May be given again.")
]
LongTexts = Annotated[
    LongInputPolicy | None,
    typer.Option("--long-input", help="What to do with a text that is longer than the model takes."),
]
Stride = Annotated[
    int | None, typer.Option("--stride", help="Tokens from one window of a long text to the next.")
]
Aggregated = Annotated[
    Aggregate | None, typer.Option("--aggregate", help="How a long text's output follows from its windows'.")
]
Retargetable = Annotated[
    bool,
    typer.Option(
        "--retargetable", help="Pay for all classes (8 at most), so that asking for others is free."
    ),
]
ImageFile = Annotated[
    Path | None, typer.Option("--image", help="A PNG or JPEG file to explain, in place of a text.")
]
Estimate = Annotated[bool, typer.Option("--estimate", help="Tell what it would cost, and compute nothing.")]
Progress = Annotated[
    bool | None,
    typer.Option(
        "--progress/--no-progress",
        help="Tell on standard error how far it is, also where that is no terminal; or never.",
    ),
]
HtmlFile = Annotated[Path | None, typer.Option("--html", help="Write the table as a page of HTML.")]


def explain(
    model: ModelName,
    text: Text = None,
    file: File = None,
    image: ImageFile = None,
    server: Server = DEFAULT_SERVER,
    classes: Targets = None,
    pair: Pair = None,
    labels: Candidates = None,
    hypothesis: Hypothesis = None,
    multi_label: MultiLabel = False,
    question: AskedQuestion = None,
    tokens: Tokens = False,
    ignored_labels: IgnoredLabels = None,
    convention: Habits = None,
    accuracy: Exactness = None,
    tolerance: Tolerated = None,
    n_steps: Steps = None,
    output_space: Space = None,
    precision: Arithmetic = None,
    baseline: Baselines = None,
    long_input: LongTexts = None,
    stride: Stride = None,
    aggregate: Aggregated = None,
    retargetable: Retargetable = False,
    timeout: Timeout = PATIENCE_S,
    as_json: AsJson = False,
    html: HtmlFile = None,
    progress: Progress = None,
    estimate: Estimate = False,
) -> None:
    """Explains what a model makes of a text (its class, or what the options ask for), or of an image.

    For example:

    `ligserve explain "I love you, I like you" --model sentiment`

    `ligserve explain --file review.txt -m sentiment --class POSITIVE --class NEGATIVE --html review.html`

    `ligserve explain --file report.txt -m sentiment --stride 256 --accuracy fast`

    `ligserve explain --file report.txt -m sentiment --stride 256 --estimate`

    `ligserve explain --image photo.jpg -m vit --html photo.html`

    `echo "I love you" | ligserve explain - -m sentiment --accuracy exact --json`

    `ligserve explain "A cat sat." -m nli --pair "There is a cat."`

    `ligserve explain "Shares fell." -m nli --label finance --label sports --multi-label`

    `ligserve explain "Ada lives in London." -m squad --question "Where does Ada live?"`

    `ligserve explain "Ada lives in London." -m ner --tokens --ignore-label O`
    """
    if sum(value is not None for value in (accuracy, tolerance, n_steps)) > 1:
        raise typer.BadParameter("give only one of --accuracy, --tolerance and --n-steps")
    asked = Asked(
        image=image,
        pair=pair,
        labels=labels or (),
        hypothesis=hypothesis,
        multi_label=multi_label,
        question=question,
        tokens=tokens,
        ignored_labels=ignored_labels or (),
        classes=classes or (),
    )
    asked.check()
    task = asked.task(_text(text, file, image))
    options = ExplainKeywords(
        convention=convention,
        accuracy=accuracy,
        tolerance=tolerance,
        n_steps=n_steps,
        output_space=output_space,
        precision=precision,
        baseline=baseline or None,
        long_input=_long_input(long_input, stride, aggregate),
        retargetable=retargetable,
    )
    if estimate:
        with Client(server, timeout=timeout) as client:
            tell_cost(client.estimate_cost(model, task, **options), as_json=as_json)
        return
    with Client(server, timeout=timeout) as client, client.stream(model, task, **options) as stream:
        Answer(as_json, html, progress).give_when_read(stream)


def _long_input(
    policy: LongInputPolicy | None, stride: int | None, aggregate: Aggregate | None
) -> LongInputPolicy | Window | None:
    if stride is None and aggregate is None:
        return policy
    if policy not in (None, LongInputPolicy.WINDOW):
        raise typer.BadParameter(f"--stride and --aggregate are for windows, not for --long-input {policy}")
    return Window(stride, aggregate or Aggregate.MEAN)


def _text(text: str | None, file: Path | None, image: Path | None) -> str:
    """The text; empty where an image takes its place."""
    if image is not None and text is None and file is None:
        return ""
    if image is not None:
        raise typer.BadParameter("give a text or --image, not both")
    if (text is None) == (file is None):
        raise typer.BadParameter("give a text, - for standard input, --file or --image")
    if file is not None:
        return _decoded(file.read_bytes(), str(file))
    return _decoded(sys.stdin.buffer.read(), "standard input") if text == "-" else str(text)


def _decoded(data: bytes, source: str) -> str:
    try:
        return data.decode("utf-8").removesuffix("\n")
    except UnicodeDecodeError as error:
        raise InvalidRequestError(f"{source} is not UTF-8: {error}") from error
