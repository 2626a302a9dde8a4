"""Time: how much of it there is, and what each stage is made of."""

from collections.abc import Mapping, Sequence
from typing import Any

from dsocr_symbolic.reports.performance import figure_style as look
from dsocr_symbolic.reports.performance.numbers import Performance, Spender
from dsocr_symbolic.writing.amounts import axis_unit, duration
from dsocr_symbolic.writing.lettering import fitted, measured

_THICK = 0.72
_SMALLEST_SHARE = 0.02
_REST = "rest"
# Inches: where the two panels begin, how wide they are, what stands above and below, a stage with two lines of words.
_AMOUNTS, _SHARES = (1.0, 2.45), (4.2, 2.75)
_ABOVE, _AXIS = 0.25, 0.47
_LEAST, _STAGE = 1.75, 0.42
_EDGE = 0.08
_NAME = 52.0


def draw(numbers: Performance) -> Any:
    """Draw bars of categories stacked by stage, and bars of stages stacked by category."""
    colours = look.stage_colours(stage.name for stage in numbers.stages)
    stages = [stage for stage in reversed(numbers.stages) if stage.metrics["roofline_s"]]
    rows = _rows(numbers, stages)
    used = {name: look.REST if name == _REST else look.category_colours()[name] for name in rows}
    legends = ((colours, _AMOUNTS[0] - 0.4, _AMOUNTS[1] + 0.4), (used, *_SHARES))
    below = max(look.legend_height(list(names), wide) for names, _, wide in legends) + _EDGE
    tall = max(_LEAST, _STAGE * len(stages))
    figure = look.new_figure(_ABOVE + tall + _AXIS + below)
    boxes = [(left, below + _AXIS, wide, tall) for left, wide in (_AMOUNTS, _SHARES)]
    _amounts(look.axes(figure, boxes[0], "a  How much time"), numbers, colours)
    _shares(look.axes(figure, boxes[1], "b  What each stage is made of"), stages, rows, used)
    for names, left, wide in legends:
        look.legend(figure, names, (left, below), wide)
    return figure


def _amounts(place: Any, numbers: Performance, colours: Mapping[str, str]) -> None:
    categories = sorted(numbers.categories, key=lambda category: category.share)
    times = [category.metrics["roofline_s"] for category in categories]
    factor, unit = axis_unit(max(times), "s")
    rows = {
        stage: [numbers.seconds.get((stage, category.name), 0.0) / factor for category in categories]
        for stage in colours
    }
    look.stacked(place, range(len(categories)), rows, colours, thick=_THICK, level=True)
    for line, (time, *parts) in enumerate(zip(times, *rows.values(), strict=True)):
        look.write(place, duration(time, 3), (sum(parts), line), (3, 0), va="center")
    place.set(yticks=range(len(categories)), yticklabels=[category.name for category in categories])
    place.set(xlim=(0, max(times) / factor * 1.28), xlabel=f"roofline time [{unit}]")
    place.tick_params(axis="y", length=0)
    place.grid(visible=False, axis="y")


def _rows(numbers: Performance, stages: Sequence[Spender]) -> dict[str, list[float]]:
    """Return the share of each category in every stage; categories that are small in all of them are one."""

    def shares(category: Spender) -> list[float]:
        return [numbers.seconds.get((stage.name, category.name), 0.0) / stage.metrics["roofline_s"] for stage in stages]

    largest_first = sorted(numbers.categories, key=lambda category: -category.share)
    rows = {category.name: shares(category) for category in largest_first if max(shares(category)) >= _SMALLEST_SHARE}
    if len(rows) < len(numbers.categories):
        rows[_REST] = [max(0.0, 1 - sum(column)) for column in zip(*rows.values(), strict=True)]
    return rows


def _shares(
    place: Any, stages: Sequence[Spender], rows: Mapping[str, Sequence[float]], colours: Mapping[str, str]
) -> None:
    """Stack each stage to 100 %."""
    look.stacked(place, range(len(stages)), rows, colours, thick=_THICK, level=True)
    for line, column in enumerate(zip(*rows.values(), strict=True)):
        for index, share in enumerate(column):
            words = f"{share:.0%}"
            if share * _SHARES[1] * 72 >= measured(words, look.SMALL)[0] + 2:
                middle = sum(column[:index]) + share / 2
                place.text(middle, line, words, ha="center", va="center", fontsize=look.SMALL)
    named = [(fitted(stage.name, _NAME, look.SMALL), duration(stage.metrics["roofline_s"], 3)) for stage in stages]
    place.set(yticks=range(len(named)), yticklabels=["\n".join(words) for words in named])
    place.set(xlim=(0, 1), xlabel="share of the stage's time")
    place.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0 %", "25 %", "50 %", "75 %", "100 %"])
    place.tick_params(axis="y", length=0)
    place.grid(visible=False)
