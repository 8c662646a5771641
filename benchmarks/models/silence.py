"""Loading without progress bars and reports: here they are noise."""

from transformers.utils import logging


def silence_loading() -> None:
    """Have transformers say nothing but errors in this process."""
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
