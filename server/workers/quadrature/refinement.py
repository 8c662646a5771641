"""Which panels are split next, and how finely."""

import numpy as np

from ligserve.server.workers.quadrature.rule import Floats

# A panel's error after it was split in two, relative to before: measured on classifiers, 0.1 to 0.2.
DECAY = 0.15
# One round splits a panel into at most 2 ** LEVELS: the forecast is not better than that.
LEVELS = 2
# Narrower panels hold only rounding.
MIN_WIDTH = 2.0**-24


def splits(alphas: Floats, errors: Floats, most: int) -> tuple[list[float], bool]:
    """The middles of the panels that are to be split.

    Args:
        alphas: (n,), the points.
        errors: (K, n - 1), each panel's error as a multiple of what is allowed in all, for every open target.
        most: most middles that may be returned.

    Returns:
        The middles, worst first, and whether there would have been more without `most`. None where no panel
        is worth it.
    """
    start, end, errors = alphas[:-1], alphas[1:], errors.copy()
    levels = np.zeros(len(start), dtype=np.int64)
    worth = 1 / (2 * len(start))
    middles: list[float] = []
    while (late := errors.sum(axis=1) > 1).any():
        splittable = (levels < LEVELS) & (end - start > MIN_WIDTH)
        worst = np.where(splittable, errors[late].max(axis=0), 0.0)
        panel = int(worst.argmax())
        if worst[panel] < worth:
            break
        if len(middles) >= most:
            return middles, True
        middle = 0.5 * (start[panel] + end[panel])
        middles.append(float(middle))
        start, end = np.append(start, middle), np.append(end, end[panel])
        end[panel] = middle
        levels[panel] += 1
        levels = np.append(levels, levels[panel])
        errors[:, panel] *= DECAY / 2
        errors = np.concatenate([errors, errors[:, panel : panel + 1]], axis=1)
    return middles, False
