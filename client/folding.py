"""From a stream's messages, or a unary answer, to an explanation; no input or output is done here."""

from ligserve.client.answers import finished_explanation, unfinished_explanation
from ligserve.client.assembly import EstimateAssembly
from ligserve.client.errors import MalformedAnswerError, TruncatedStreamError
from ligserve.client.header_parts import merge_header
from ligserve.client.types.document import candidates_of
from ligserve.client.types.events import EstimateEvent, Event, HeaderEvent, ProgressEvent, SummaryEvent
from ligserve.client.types.explanation import Explanation
from ligserve.v1 import explanation_service_pb2 as service_pb


class StreamFolder:
    """Checks the order of a stream's messages, turns them into events, and folds them.

    Progress may come at any time; else a header, estimates until every target is final, a summary.
    """

    def __init__(self, texts: tuple[str, ...]) -> None:
        self._texts = texts
        # A header that is continued.
        self._opening: service_pb.Header | None = None
        # What came of the targets before the summary.
        self._reached: list[service_pb.TargetSummary] = []
        # What was unexplained of each target before all of it was explained.
        self._left: tuple[float, ...] = ()
        self._header: HeaderEvent | None = None
        self._assembly: EstimateAssembly | None = None
        self._explanation: Explanation | None = None

    def feed(self, message: service_pb.StreamExplainResponse) -> Event | None:
        """The event that a message completes, if it does.

        Raises:
            MalformedAnswerError: the message breaks the protocol.
        """
        if self._explanation is not None:
            raise MalformedAnswerError("a message came after the summary")
        match message.WhichOneof("event"):
            case "header":
                return self.header(message.header)
            case "more_header":
                return self.more_header(message.more_header)
            case "estimate":
                return self.estimate(message.estimate)
            case "progress":
                return self.progress(message.progress)
            case "more_targets":
                self._reached.extend(message.more_targets.targets)
            case "summary":
                return self.summary(message.summary)
        # An event of a newer server, of which this client knows nothing.
        return None

    def header(self, message: service_pb.Header) -> HeaderEvent | None:
        """Take the header; if it is continued, the event comes with the last of it.

        Raises:
            MalformedAnswerError: it came before, its columns differ in length, or it speaks of windows or
                tokens that it does not hold.
        """
        if self._header is not None or self._opening is not None:
            raise MalformedAnswerError("a second header came")
        if message.continued:
            self._opening = message
            return None
        return self._opened(message)

    def more_header(self, message: service_pb.Header) -> HeaderEvent | None:
        """Take what the header had no room for; the event comes with the last of it.

        Raises:
            MalformedAnswerError: the header was not continued, or as in `header`.
        """
        header = self._opening
        if header is None:
            raise MalformedAnswerError("more of a header came that is not continued")
        merge_header(header, message)
        if header.continued:
            return None
        self._opening = None
        return self._opened(header)

    def _opened(self, message: service_pb.Header) -> HeaderEvent:
        if len(message.windows) < message.window_count:
            missing = message.window_count - len(message.windows)
            raise MalformedAnswerError(f"{missing} windows of the header did not come")
        try:
            self._header, candidates = HeaderEvent.from_proto(message), candidates_of(message)
        except ValueError as error:
            raise MalformedAnswerError(f"the header does not hold together: {error}") from error
        lengths = _lengths(message)
        if any(t.windows is not None and t.windows.stop > len(lengths) for t in self._header.targets):
            raise MalformedAnswerError("a target is about a window that is not in the header")
        _check_tokens(self._header)
        if len(self._header.pixel_values) not in (0, sum(lengths)):
            raise MalformedAnswerError("the header's pixel values do not fill its image shape")
        if any(t.candidate is not None and t.candidate >= candidates for t in self._header.targets):
            raise MalformedAnswerError("a target is about a label that no window is about")
        self._assembly = EstimateAssembly(lengths, self._header.targets, candidates)
        return self._header

    def estimate(self, message: service_pb.Estimate) -> EstimateEvent | None:
        """Take a chunk of an estimate; the event comes with the last chunk.

        Raises:
            MalformedAnswerError: it does not follow the chunk before, or no header came.
        """
        if self._assembly is None:
            raise MalformedAnswerError("an estimate came before the header")
        return self._assembly.add(message)

    def progress(self, message: service_pb.Progress) -> ProgressEvent:
        """Take notice of how far the work is."""
        progress = ProgressEvent.from_proto(message)
        if progress.unexplained:
            before = self._left or progress.unexplained
            self._left = tuple(now or then for now, then in zip(progress.unexplained, before, strict=False))
        return progress

    def summary(self, message: service_pb.Summary) -> SummaryEvent:
        """Take the summary.

        Raises:
            MalformedAnswerError: something is missing before it, or in it.
        """
        if self._header is None or self._assembly is None:
            raise MalformedAnswerError("a summary came before the header")
        message.targets.extend(self._reached)
        if sorted(t.target for t in message.targets) != list(range(len(self._header.targets))):
            raise MalformedAnswerError("the summary's targets are not the header's")
        summary = SummaryEvent.from_proto(message)
        self._explanation = finished_explanation(self._texts, self._header, self._assembly, summary)
        return summary

    def so_far(self) -> Explanation | None:
        """What is final by now, of a stream that may have ended in any way; None before the header."""
        if self._explanation is not None or self._header is None or self._assembly is None:
            return self._explanation
        return unfinished_explanation(self._texts, self._header, self._assembly, self._left)

    def result(self) -> Explanation:
        """The explanation, once the stream has ended.

        Raises:
            TruncatedStreamError: no summary came.
        """
        if self._explanation is None:
            raise TruncatedStreamError("no summary came, so its scores may not be final")
        return self._explanation


def fold_answer(answer: service_pb.ExplainResponse, texts: tuple[str, ...]) -> Explanation:
    """The explanation in a unary answer, by the same rules as a stream's.

    Raises:
        MalformedAnswerError: the answer breaks the protocol.
    """
    folder = StreamFolder(texts)
    folder.header(answer.header)
    for estimate in answer.estimates:
        folder.estimate(estimate)
    folder.summary(answer.summary)
    return folder.result()


def _lengths(header: service_pb.Header) -> list[int]:
    if header.HasField("image_shape"):
        shape = header.image_shape
        return [shape.channels * shape.height * shape.width]
    return [len(window.tokens.ids) for window in header.windows]


def _check_tokens(header: HeaderEvent) -> None:
    """Compare what is told token by token with the number of tokens."""
    length = len(header.tokens)
    if any(target.token is not None and target.token >= length for target in header.targets):
        raise MalformedAnswerError("a target is about a token that is not in the header")
    if len(header.token_predictions) not in (0, length):
        count = len(header.token_predictions)
        raise MalformedAnswerError(f"{count} predictions came for {length} tokens")
