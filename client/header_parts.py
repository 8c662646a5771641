"""Headers that come in several messages."""

from ligserve.v1 import explanation_service_pb2 as service_pb


def merge_header(whole: service_pb.Header, more: service_pb.Header) -> None:
    """Append to a header what a later message brings; also to its last window, where that goes on."""
    windows = list(more.windows)
    if whole.windows and windows and windows[0].index == whole.windows[-1].index:
        whole.windows[-1].MergeFrom(windows.pop(0))
    rest = service_pb.Header()
    rest.CopyFrom(more)
    rest.ClearField("windows")
    whole.MergeFrom(rest)
    whole.windows.extend(windows)
    whole.continued = more.continued
