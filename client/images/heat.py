"""From scores to a heat map's values, as captum's visualize_image_attr scales them."""

import warnings
from typing import Any

from ligserve.client.images.needed import needed

# Below it, captum warns that nothing is to be seen.
NOTHING = 1e-5


def heat(scores: Any, sign: str, outlier_percent: float) -> Any:
    """Scores of pixels, (H, W), scaled to -1..1 (sign "all") or 0..1.

    The largest ones, which hold `outlier_percent` of the whole, are all 1.

    Args:
        scores: numpy array of (H, W).
        sign: "all", "positive", "negative" or "absolute": which scores count.
        outlier_percent: 0 to 100.
    """
    np = needed("numpy", "numpy")
    kept = {
        "all": lambda: scores,
        "positive": lambda: np.maximum(scores, 0),
        "negative": lambda: np.minimum(scores, 0),
        "absolute": lambda: np.abs(scores),
    }[sign]()
    ordered = np.sort(np.abs(kept).ravel())
    sums = np.cumsum(ordered)
    largest = ordered[np.argmax(sums >= sums[-1] * 0.01 * (100.0 - outlier_percent))]
    if largest < NOTHING:
        warnings.warn("all scores are close to 0: the picture may mislead", stacklevel=3)
    if largest == 0:
        return np.zeros_like(kept)
    return np.clip(kept / (-largest if sign == "negative" else largest), -1, 1)
