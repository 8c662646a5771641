"""How large an image may be, for the front and for workers."""

# An encoded file, or the bytes of raw pixels.
MAX_IMAGE_BYTES = 16 << 20
# Decoding and resizing take some 12 bytes a pixel; a file of a few KiB can announce billions of them.
MAX_PIXELS = 40_000_000
# Processors that keep the ratio of the sides would blow up a narrow image to any size.
MAX_ASPECT = 32


def wrong_size(width: int, height: int) -> str:
    """What is wrong with an image of this size in pixels; empty for nothing."""
    if width < 1 or height < 1:
        return f"is {width} x {height} pixels; each side must have at least 1"
    if width * height > MAX_PIXELS:
        return f"is {width} x {height} pixels; at most {MAX_PIXELS} pixels are taken"
    if max(width, height) > MAX_ASPECT * min(width, height):
        return f"is {width} x {height} pixels; no side may be more than {MAX_ASPECT} times the other"
    return ""
