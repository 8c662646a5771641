"""What goes to standard output."""

from rich.console import Console, RenderableType

# Wide enough that no line of a file or a pipe is ever wrapped or cut.
UNWRAPPED = 1 << 16


def show(renderable: RenderableType) -> None:
    """Print on standard output: wrapped and coloured on a terminal, plain lines elsewhere."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=UNWRAPPED)
    console.print(renderable)
