"""The figures of a performance report, as SVG text: the roofline, time, crops, tokens and memory."""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum, auto
from itertools import groupby, pairwise
from typing import Any

from dsocr_symbolic.language.roles import Roles
from dsocr_symbolic.reports.performance import figure_roofline
from dsocr_symbolic.reports.performance import figure_style as look
from dsocr_symbolic.reports.performance.curves import CropGrid, Curves, Step
from dsocr_symbolic.reports.performance.numbers import Performance, Spender
from dsocr_symbolic.writing.amounts import axis_unit, duration, scaled
from dsocr_symbolic.writing.svg import style, svg


class Figure(StrEnum):
    """The figures by the names of their files, in the report's order."""

    ROOFLINE = auto()
    TIME = auto()
    CROPS = auto()
    TOKENS = auto()
    MEMORY = auto()


_NEEDS = {Figure.CROPS: "grids", Figure.TOKENS: "steps", Figure.MEMORY: "batches"}
_THICK = 0.72
_NARROW, _WIDE = 2.7, 3.7


def figures(numbers: Performance, curves: Curves, advance: Callable[[str], Any]) -> dict[str, str]:
    """Draw every figure that there is something to draw of, see :func:`missing`; ``advance`` is told which one.

    Raises
    ------
    UserError
        If matplotlib is not installed.
    """
    drawings: Mapping[str, Callable[[], Any]] = {
        Figure.ROOFLINE: lambda: figure_roofline.draw(numbers),
        Figure.TIME: lambda: _draw_time(numbers),
        Figure.CROPS: lambda: _draw_crops(numbers, curves.grids),
        Figure.TOKENS: lambda: _draw_tokens(numbers, curves.steps),
        Figure.MEMORY: lambda: _draw_memory(numbers, curves),
    }
    absent = missing(numbers, curves)
    texts = {}
    with style():
        for name in (name for name in Figure if name not in absent):
            advance(f"figure {name}")
            texts[name.value] = svg(drawings[name](), _title(name, numbers.roles))
    return texts


def _title(name: Figure, roles: Roles) -> str:
    """Say what a figure shows, in the network's own words."""
    match name:
        case Figure.ROOFLINE:
            return "Roofline: FLOP/s reached by parts of the network against their arithmetic intensity"
        case Figure.TIME:
            return "Roofline time by category of operators and stage"
        case Figure.CROPS:
            return f"FLOPs and bytes moved by stage for every grid of {roles.crops.number if roles.crops else ''}"
        case Figure.TOKENS:
            return f"Time of a decode step and tokens per second against context and {roles.batch}"
        case Figure.MEMORY:
            return f"Memory at the worst moment against the {roles.batch}"


def missing(numbers: Performance, curves: Curves) -> dict[str, str]:
    """Return the figures that cannot be drawn, and why."""
    why = {name.value: curves.missing[points] for name, points in _NEEDS.items() if points in curves.missing}
    if not numbers.whole.metrics["roofline_s"]:
        why |= dict.fromkeys((Figure.ROOFLINE.value, Figure.TIME.value), "nothing is launched")
    return why


# Time: how much of it there is, and what each stage is made of.

_AMOUNTS: look.Box = (1.0, 0.95, 2.45, 1.75)
_SHARES: look.Box = (4.2, 0.95, 2.75, 1.75)
_SMALLEST_SHARE, _SMALLEST_WORDS = 0.02, 0.085
_REST = "rest"


def _draw_time(numbers: Performance) -> Any:
    """Draw bars of categories stacked by stage, and bars of stages stacked by category."""
    height = 2.95
    figure = look.new_figure(height)
    colours = look.stage_colours(stage.name for stage in numbers.stages)
    _amounts(look.axes(figure, _AMOUNTS, "a  How much time"), numbers, colours)
    used = _shares(look.axes(figure, _SHARES, "b  What each stage is made of"), numbers)
    look.legend(figure, used, (_SHARES[0] / look.WIDTH, 0.5 / height), columns=3)
    look.legend(figure, colours, (_AMOUNTS[0] / look.WIDTH, 0.5 / height), columns=len(colours))
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


def _shares(place: Any, numbers: Performance) -> dict[str, str]:
    """Stack each stage to 100 %; categories that are small in every stage are one. Return the colours in use."""
    stages = [stage for stage in reversed(numbers.stages) if stage.metrics["roofline_s"]]

    def shares(category: Spender) -> list[float]:
        return [numbers.seconds.get((stage.name, category.name), 0.0) / stage.metrics["roofline_s"] for stage in stages]

    largest_first = sorted(numbers.categories, key=lambda category: -category.share)
    rows = {category.name: shares(category) for category in largest_first if max(shares(category)) >= _SMALLEST_SHARE}
    colours = {name: look.category_colours()[name] for name in rows}
    if len(rows) < len(numbers.categories):
        colours[_REST] = look.REST
        rows[_REST] = [max(0.0, 1 - sum(column)) for column in zip(*rows.values(), strict=True)]
    look.stacked(place, range(len(stages)), rows, colours, thick=_THICK, level=True)
    for line, column in enumerate(zip(*rows.values(), strict=True)):
        for index, share in enumerate(column):
            if share >= _SMALLEST_WORDS:
                middle = sum(column[:index]) + share / 2
                place.text(middle, line, f"{share:.0%}", ha="center", va="center", fontsize=look.SMALL)
    names = [f"{stage.name}\n{duration(stage.metrics['roofline_s'], 3)}" for stage in stages]
    place.set(yticks=range(len(names)), yticklabels=names, xlim=(0, 1), xlabel="share of the stage's time")
    place.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0 %", "25 %", "50 %", "75 %", "100 %"])
    place.tick_params(axis="y", length=0)
    place.grid(visible=False)
    return colours


# Crops: FLOPs and bytes moved against the grid of crops that a page is cut into.

_FLOPS: look.Box = (0.55, 2.25, 6.55, 1.2)
_BYTES: look.Box = (0.55, 0.78, 6.55, 1.2)
_PANELS = (
    (_FLOPS, "a  FLOPs", ("forward_tensor_core_flops", "forward_cuda_core_flops"), "FLOP"),
    (_BYTES, "b  Bytes moved", ("forward_io_bytes",), "byte"),
)
_BY = "\N{MULTIPLICATION SIGN}"


def _draw_crops(numbers: Performance, grids: Sequence[CropGrid]) -> Any:
    """Draw one bar per grid, stacked by stage; grids of equally many crops stand together."""
    figure = look.new_figure(_WIDE)
    colours = look.stage_colours(stage.name for stage in numbers.stages)
    gaps = [0.0, *(1 + 0.7 * (before.crops != after.crops) for before, after in pairwise(grids))]
    where = [sum(gaps[: place + 1]) for place in range(len(grids))]
    crops = numbers.roles.crops
    assert crops is not None  # noqa: S101 - there are no grids without
    asked = (numbers.asked(crops.columns), numbers.asked(crops.rows))
    for box, title, metrics, unit in _PANELS:
        place = look.axes(figure, box, title)
        rows = {stage: [sum(grid.stages[stage][metric] for metric in metrics) for grid in grids] for stage in colours}
        heights = [sum(column) for column in zip(*rows.values(), strict=True)]
        factor, name = axis_unit(max(heights), unit)
        scaled_rows = {stage: [value / factor for value in values] for stage, values in rows.items()}
        look.stacked(place, where, scaled_rows, colours, thick=0.84)
        place.set(ylabel=f"[{name}]", ylim=(0, max(heights) / factor * 1.2), xlim=(where[0] - 0.8, where[-1] + 0.8))
        place.grid(visible=False, axis="x")
        place.tick_params(axis="x", length=0, pad=1.5)
        names = [f"{grid.columns}{_BY}{grid.rows}" if grid.crops else "none" for grid in grids]
        place.set_xticks(where, names if box is _BYTES else [])
        for at, height, grid in zip(where, heights, grids, strict=True):
            if (grid.columns, grid.rows) == asked:
                look.write(place, "asked", (at, height / factor), (0, 2), ha="center", fontsize=look.SMALL - 1)
    _group(place, grids, where, crops.number)
    look.legend(figure, colours, (_BYTES[0] / look.WIDTH, 0.01), columns=len(colours), corner="lower left")
    return figure


def _group(place: Any, grids: Sequence[CropGrid], where: Sequence[float], pieces: str) -> None:
    """Write below the grids how many pieces they have."""
    below = {"transform": place.get_xaxis_transform()}
    line = {"color": look.GREY, "linewidth": 0.6, "clip_on": False, **below}
    for crops, members in groupby(zip(where, grids, strict=True), key=lambda member: member[1].crops):
        first, *_, last = [at for at, _ in members] * 2
        if crops:
            place.plot([first - 0.4, last + 0.4], [-0.15] * 2, **line)
            place.text((first + last) / 2, -0.18, str(crops), ha="center", va="top", fontsize=look.SMALL, **below)
    place.set_xlabel(f"grid of {pieces}, columns {_BY} rows, and number of {pieces}", labelpad=17)


# Tokens: time of a decode step against the context, for several batches.

_WAIT: look.Box = (0.75, 0.45, 2.3, 2.0)
_RATE: look.Box = (4.5, 0.45, 2.3, 2.0)


def _draw_tokens(numbers: Performance, steps: Sequence[Step]) -> Any:
    """Draw the time of a step, and the tokens per second of the whole batch; one line per batch."""
    figure = look.new_figure(_NARROW)
    wait = look.axes(figure, _WAIT, "a  Time of a decode step")
    _draw_lines(wait, numbers, steps, lambda step: step.seconds, named=True)
    wait.yaxis.set_major_formatter(lambda value, _: duration(value, 3))
    wait.set_ylabel("roofline time")
    rate = look.axes(figure, _RATE, f"b  Tokens of the whole {numbers.roles.batch}")
    _draw_lines(rate, numbers, steps, lambda step: step.batch / step.seconds, named=False)
    rate.yaxis.set_major_formatter(lambda value, _: scaled(value, ""))
    rate.set_ylabel("[tokens/s]")
    return figure


def _draw_lines(
    place: Any, numbers: Performance, steps: Sequence[Step], height: Callable[[Step], float], *, named: bool
) -> None:
    """Draw a line per batch, named at its end, and the contexts that the workload passes."""
    prompt, steps_asked = numbers.asked(numbers.roles.prompt_tokens), numbers.asked(numbers.roles.new_tokens)
    first, last = prompt + 1, prompt + steps_asked
    place.axvspan(first, last, color=look.PALE, zorder=0, linewidth=0)
    lines = [list(line) for _, line in groupby(steps, key=lambda step: step.batch)]
    for line, shade, mark in zip(lines, look.shades(len(lines)), look.MARKS[: len(lines)], strict=True):
        place.plot([step.context for step in line], [height(step) for step in line], color=shade, marker=mark)
        if named:
            end = (line[-1].context, height(line[-1]))
            look.write(place, f"{numbers.roles.batch} {line[-1].batch}", end, (6, 0), va="center", color=shade)
    contexts, heights = [step.context for step in lines[0]], [height(step) for step in steps]
    margin = max(1.5, (max(heights) / min(heights)) ** 0.12)
    place.set(xscale="log", yscale="log", xlabel="context [tokens]")
    place.set(xlim=(contexts[0] / 1.25, contexts[-1] * 1.25), ylim=(min(heights) / margin, max(heights) * margin))
    bottom = {"transform": place.get_xaxis_transform(), "ha": "center", "va": "bottom"}
    place.text((first * last) ** 0.5, 0.02, "asked", fontsize=look.SMALL, **bottom)
    place.set_xticks(contexts, [str(context) for context in contexts], fontsize=look.SMALL - 0.5)
    place.set_yticks(look.log_ticks(*place.get_ylim()))
    place.minorticks_off()


# Memory against the batch, up to what the machine has.

_STACK: look.Box = (0.6, 0.45, 4.35, 2.1)
_RESIDENT = {"weights": "weight_bytes", "KV cache": "kv_cache_bytes", "activations": "activation_bytes"}


def _draw_memory(numbers: Performance, curves: Curves) -> Any:
    """Draw weights, KV cache and activations stacked over the batch, and across them what the machine has."""
    figure = look.new_figure(_NARROW)
    place = look.axes(figure, _STACK)
    batches = [resident.batch for resident in curves.batches]
    capacity, usable = numbers.fit.capacity_bytes, numbers.fit.capacity_bytes + numbers.fit.reserve_bytes
    highest = max(usable, *(resident.moment.peak_memory_bytes for resident in curves.batches))
    factor, unit = axis_unit(highest, "byte")
    rows = [[getattr(resident.moment, key) / factor for resident in curves.batches] for key in _RESIDENT.values()]
    colours = dict(zip(_RESIDENT, look.MEMORY, strict=True))
    place.stackplot(batches, *rows, colors=list(colours.values()), linewidth=0)
    beside = {"transform": place.get_yaxis_transform(), "fontsize": look.SMALL}
    for height, words, dashes in ((capacity, "capacity", "-"), (usable, "usable memory", (0, (4, 2)))):
        place.axhline(height / factor, color=look.INK, linewidth=0.9, linestyle=dashes)
        side = "bottom" if height > capacity else "top"
        place.text(1.015, height / factor, f"{words} {scaled(height, 'B')}", va=side, **beside)
    place.set(xlim=(batches[0], batches[-1]), ylim=(0, highest / factor * 1.06))
    place.set(xlabel=f"{numbers.roles.batch} [requests]", ylabel=f"resident memory [{unit}]")
    place.xaxis.get_major_locator().set_params(integer=True)
    place.grid(visible=False)
    look.legend(place, dict(reversed(colours.items())), (1.015, 0.42))
    largest, asked = numbers.fit.largest_batch, numbers.asked(numbers.roles.batch)
    if largest:
        place.axvline(largest, color=look.INK, linewidth=0.9, linestyle=(0, (1, 1.5)))
        top = (largest, place.get_ylim()[1])
        look.write(place, f"largest {numbers.roles.batch} that fits: {largest}", top, (-3, -12), ha="right", va="top")
    if asked != largest:
        at = (asked, numbers.fit.moment.peak_memory_bytes / factor)
        place.plot(*at, marker="o", color=look.INK, clip_on=False, zorder=4)
        line = {"arrowstyle": "-", "color": look.INK, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 0}
        look.write(place, f"asked: {asked}", at, (5, 38), ha="left", arrowprops=line)
    return figure
