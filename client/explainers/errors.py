"""The drop-in's errors: names and base classes of transformers-interpret, classes of our own."""


class AttributionTypeNotSupportedError(RuntimeError):
    """An explainer does not have that type of attribution."""


class AttributionsNotCalculatedError(RuntimeError):
    """Attributions were asked for before they were calculated."""


class InputIdsNotCalculatedError(RuntimeError):
    """Something was asked for that needs an input, before the explainer was called."""
