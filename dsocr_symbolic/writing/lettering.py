"""How large words are in a figure, and names that fit the room for them."""

from collections.abc import Callable, Sequence


def measured(words: str, size: float, *, bold: bool = False) -> tuple[float, float]:
    """Return width and height of words, of one line or more, in points."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family="DejaVu Sans", size=size, weight="bold" if bold else "normal")
    lines = words.split("\n")
    widths = [text_to_path.get_text_width_height_descent(line, font, ismath=False)[0] for line in lines]
    return max(widths), 1.2 * size * len(lines)


def shortened(name: str, most: float, measure: Callable[[str], float] = len) -> str:
    """Leave out the middle of a path that is too long."""
    kept = name.split("/")
    while measure(name) > most and len(kept) > 2:  # noqa: PLR2004 - its ends say most
        middle = len(kept) // 2
        kept = [*kept[:middle], *kept[middle + 1 :]]
        name = "/".join([*kept[: (len(kept) + 1) // 2], "\u2026", *kept[(len(kept) + 1) // 2 :]])
    return name


def fitted(name: str, wide: float, size: float, *, bold: bool = False) -> str:
    """Shorten a name to a width in points: the middle of its path first, then the middle of what is left."""

    def measure(words: str) -> float:
        return measured(words, size, bold=bold)[0]

    name = short = shortened(name, wide, measure)
    kept = len(name)
    while measure(short) > wide and kept > 2:  # noqa: PLR2004 - a letter at either end
        kept -= 1
        short = f"{name[: kept - kept // 2]}\u2026{name[-(kept // 2) :]}"
    return short


def shown_apart(names: Sequence[str], places: Sequence[float], size: float, air: float = 4.0) -> list[int]:
    """Return which names, centred at places along a line in points, may stand so that none meets another."""
    kept: list[int] = []
    end = float("-inf")
    for index in sorted(range(len(names)), key=lambda index: places[index]):
        half = measured(names[index], size)[0] / 2
        if places[index] - half >= end:
            kept.append(index)
            end = places[index] + half + air
    return kept


def filled(words: str, wide: float, size: float, *, bold: bool = False) -> str:
    """Break words into lines of a width in points; a no-break space holds two words together."""
    lines: list[str] = []
    for word in words.strip().split(" "):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and measured(longer, size, bold=bold)[0] <= wide:
            lines[-1] = longer
        else:
            lines.append(fitted(word, wide, size, bold=bold))
    return "\n".join(lines).replace("\u00a0", " ")
