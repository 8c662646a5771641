"""Green for what speaks for a target, red for what speaks against it; stronger is darker."""

from collections.abc import Iterable

# Weaker contributions are left without colour where many are shown, to leave the eye something to rest on.
FAINTEST = 0.03


def strengths(scores: Iterable[float]) -> list[float]:
    """Scores scaled to -1..1 by the largest of them, so that differences are visible."""
    values = list(scores)
    largest = max((abs(value) for value in values), default=0.0)
    return [value / largest for value in values] if largest > 0 else [0.0] * len(values)


def css_colour(strength: float) -> str:
    """The background of a strength from -1 to 1, light enough for black letters."""
    if strength > 0:
        return f"hsl(120, 75%, {100 - 50 * strength:.0f}%)"
    return f"hsl(0, 75%, {100 + 40 * strength:.0f}%)"


def rgb_colour(strength: float) -> tuple[int, int, int]:
    """The same for terminals: red, green and blue, 0 to 255."""
    fade = round(255 - 175 * min(1.0, abs(strength)))
    return (fade, 235, fade) if strength > 0 else (255, fade, fade)
