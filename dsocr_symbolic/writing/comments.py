"""Comment lines above a table of comma-separated values, or in a file beside it."""

from collections.abc import Iterable


def commented(lines: Iterable[str]) -> str:
    """Put each line behind ``#``; what a line breaks in itself stays one comment."""
    return "".join(f"# {' '.join(line.split())}\n" for line in lines)
