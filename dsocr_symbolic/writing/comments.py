"""Lines that a reader of numbers passes over."""

from collections.abc import Iterable


def comment_lines(lines: Iterable[str]) -> str:
    """Write each line as a comment of a CSV file."""
    return "".join(f"# {' '.join(line.split())}\n" for line in lines)
