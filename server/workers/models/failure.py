"""Why a model cannot be loaded."""


class ModelLoadError(Exception):
    """A model cannot be loaded; the message is one line for the operator."""
