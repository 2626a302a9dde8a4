"""Time by stage and category: how much of it there is, and what each stage is made of."""

from typing import Any

from dsocr_symbolic.reports.performance import figure_style as look
from dsocr_symbolic.reports.performance.numbers import Performance

TITLE = "Roofline time by category of operators and stage"


_HEIGHT = 2.95


_AMOUNTS: look.Box = (1.0, 0.95, 2.45, 1.75)


_SHARES: look.Box = (4.2, 0.95, 2.75, 1.75)


_SMALLEST_SHARE = 0.02


_SMALLEST_WORDS = 0.085


_THICK = 0.72


_REST = "rest"


def draw(numbers: Performance) -> Any:
    """Draw bars of categories stacked by stage, and bars of stages stacked by category."""
    figure = look.new_figure(_HEIGHT)
    stages = [stage.name for stage in numbers.stages]
    colours = look.stage_colours(stages)
    _amounts(figure, numbers, colours)
    _shares(figure, numbers)
    look.legend(figure, colours, (_AMOUNTS[0] / look.WIDTH, 0.5 / _HEIGHT), columns=len(colours))
    return figure


def _amounts(figure: Any, numbers: Performance, colours: dict[str, str]) -> None:
    place = look.axes(figure, _AMOUNTS, "a  How much time")
    categories = sorted(numbers.categories, key=lambda each: each.share)
    most = max(each.metrics["roofline_s"] for each in categories)
    factor, unit = look.time_unit(most)
    for line, category in enumerate(categories):
        start = 0.0
        for stage, colour in colours.items():
            amount = numbers.seconds.get((stage, category.name), 0.0) * factor
            place.barh(line, amount, left=start, height=_THICK, color=colour, edgecolor="white", linewidth=0.4)
            start += amount
        place.annotate(
            look.duration(category.metrics["roofline_s"]),
            (start, line),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize=look.SMALL,
        )
    place.set(yticks=range(len(categories)), yticklabels=[each.name for each in categories])
    place.set(xlim=(0, most * factor * 1.28), xlabel=f"roofline time [{unit}]")
    place.tick_params(axis="y", length=0)
    place.grid(visible=False, axis="y")


def _shares(figure: Any, numbers: Performance) -> None:
    """Stack each stage to 100 %; categories that are small in every stage are one."""
    place = look.axes(figure, _SHARES, "b  What each stage is made of")
    stages = [stage for stage in numbers.stages if stage.metrics["roofline_s"]]
    share = {
        (stage.name, category.name): numbers.seconds.get((stage.name, category.name), 0.0) / stage.metrics["roofline_s"]
        for stage in stages
        for category in numbers.categories
    }
    named = [
        category.name
        for category in sorted(numbers.categories, key=lambda each: -each.share)
        if max(share[stage.name, category.name] for stage in stages) >= _SMALLEST_SHARE
    ]
    colours = {name: look.category_colours()[name] for name in named} | {_REST: look.REST}
    for line, stage in enumerate(reversed(stages)):
        start = 0.0
        parts = {name: share[stage.name, name] for name in named}
        parts[_REST] = max(0.0, 1 - sum(parts.values()))
        for name, part in parts.items():
            place.barh(line, part, left=start, height=_THICK, color=colours[name], edgecolor="white", linewidth=0.4)
            if part >= _SMALLEST_WORDS:
                place.text(start + part / 2, line, f"{part:.0%}", ha="center", va="center", fontsize=look.SMALL)
            start += part
    names = [f"{stage.name}\n{look.duration(stage.metrics['roofline_s'])}" for stage in reversed(stages)]
    place.set(yticks=range(len(names)), yticklabels=names, xlim=(0, 1), xlabel="share of the stage's time")
    place.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0 %", "25 %", "50 %", "75 %", "100 %"])
    place.tick_params(axis="y", length=0)
    place.grid(visible=False)
    used = {name: colour for name, colour in colours.items() if name != _REST or len(named) < len(numbers.categories)}
    look.legend(figure, used, (_SHARES[0] / look.WIDTH, 0.5 / _HEIGHT), columns=3)
