"""Memory against the batch, up to what the machine has."""

from typing import Any

from dsocr_symbolic.reports.performance import figure_style as look
from dsocr_symbolic.reports.performance.curves import Curves
from dsocr_symbolic.reports.performance.numbers import Performance
from dsocr_symbolic.writing.amounts import scaled

TITLE = "Memory at the worst moment against the batch"


_HEIGHT = 2.7


_BOX: look.Box = (0.6, 0.45, 4.35, 2.1)


_PARTS = (("weights", "weight_bytes"), ("KV cache", "kv_cache_bytes"), ("activations", "activation_bytes"))


_GB = 1e9


_ROOM = 1.06


def draw(numbers: Performance, curves: Curves) -> Any:
    """Draw weights, KV cache and activations stacked over the batch, and across them what the machine has."""
    figure = look.new_figure(_HEIGHT)
    place = look.axes(figure, _BOX)
    batches = [each.batch for each in curves.batches]
    rows = [[getattr(each.moment, key) / _GB for each in curves.batches] for _, key in _PARTS]
    colours = dict(zip([name for name, _ in _PARTS], look.MEMORY, strict=True))
    place.stackplot(batches, *rows, colors=list(colours.values()), linewidth=0)
    capacity, usable = numbers.fit.capacity_bytes, numbers.fit.capacity_bytes + numbers.fit.reserve_bytes
    for height, words, dashes in ((capacity, "capacity", "-"), (usable, "usable memory", (0, (4, 2)))):
        place.axhline(height / _GB, color=look.INK, linewidth=0.9, linestyle=dashes)
        _beside(place, f"{words} {scaled(height, 'B')}", height / _GB, "bottom" if height > capacity else "top")
    highest = max(each.moment.peak_memory_bytes for each in curves.batches)
    place.set(xlim=(batches[0], batches[-1]), ylim=(0, max(highest, usable) / _GB * _ROOM))
    place.set(xlabel="batch [requests]", ylabel="resident memory [GB]")
    place.xaxis.get_major_locator().set_params(integer=True)
    place.grid(visible=False)
    look.legend(place, dict(reversed(colours.items())), (1.015, 0.42))
    _mark_largest(place, numbers)
    return figure


def _beside(place: Any, words: str, height: float, side: str) -> None:
    """Write to the right of the axes."""
    across = place.get_yaxis_transform()
    place.text(1.015, height, words, transform=across, va=side, fontsize=look.SMALL)


def _mark_largest(place: Any, numbers: Performance) -> None:
    """Mark the largest batch that fits, and the one that was asked for."""
    largest = numbers.fit.largest_batch
    asked = numbers.result.values.numbers["batch"]
    if largest:
        place.axvline(largest, color=look.INK, linewidth=0.9, linestyle=(0, (1, 1.5)))
        place.annotate(
            f"largest batch that fits: {largest}", (largest, place.get_ylim()[1]), xytext=(-3, -12),
            textcoords="offset points", ha="right", va="top", fontsize=look.SMALL,
        )  # fmt: skip
    if asked != largest:
        at = (asked, numbers.fit.moment.peak_memory_bytes / _GB)
        place.plot(*at, marker="o", color=look.INK, clip_on=False, zorder=4)
        line = {"arrowstyle": "-", "color": look.INK, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 0}
        away = {"xytext": (5, 38), "textcoords": "offset points", "ha": "left"}
        place.annotate(f"asked: {asked}", at, fontsize=look.SMALL, arrowprops=line, **away)
