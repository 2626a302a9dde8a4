"""What grows: FLOPs and bytes with crops, time of a step with the context, memory with the batch."""

from collections.abc import Callable, Sequence
from itertools import groupby, pairwise
from typing import Any

from dsocr_symbolic.reports.performance import figure_style as look
from dsocr_symbolic.reports.performance.curves import CropGrid, Curves, Step
from dsocr_symbolic.reports.performance.figure_labels import apart
from dsocr_symbolic.reports.performance.numbers import Performance
from dsocr_symbolic.writing.amounts import axis_unit, duration, scaled
from dsocr_symbolic.writing.lettering import fitted, measured

_NARROW = 2.7
_AIR = 2.0

# Crops: FLOPs and bytes moved against the grid of crops that a page is cut into.

# Inches: left end and width; height of a panel, between them, above, numbers and the name of the axis, legend.
_CROPS = (0.55, 6.55)
_PANEL, _BETWEEN, _ABOVE, _NUMBERS, _LEGEND = 1.2, 0.27, 0.25, 0.4, 0.25
_PANELS = (
    ("a  FLOPs", ("forward_tensor_core_flops", "forward_cuda_core_flops"), "FLOP"),
    ("b  Bytes moved", ("forward_io_bytes",), "byte"),
)
_BY = "\N{MULTIPLICATION SIGN}"


def draw_crops(numbers: Performance, grids: Sequence[CropGrid]) -> Any:
    """Draw one bar per grid, stacked by stage; grids of equally many crops stand together."""
    colours = look.stage_colours(stage.name for stage in numbers.stages)
    gaps = [0.0, *(1 + 0.7 * (before.crops != after.crops) for before, after in pairwise(grids))]
    where = [sum(gaps[: place + 1]) for place in range(len(grids))]
    crops = numbers.roles.crops
    assert crops is not None  # noqa: S101 - there are no grids without
    names = [f"{grid.columns}{_BY}{grid.rows}" if grid.crops else "none" for grid in grids]
    pitch = _CROPS[1] * 72 / (where[-1] - where[0] + 1.6)
    names, turned = _crop_names(names, pitch)
    words = max((measured(name, look.SMALL)[0 if turned else 1] for name in names if name), default=0.0) / 72
    legend = max(_LEGEND, look.legend_height(list(colours), _CROPS[1]))
    bottom = legend + _NUMBERS + words
    figure = look.new_figure(bottom + 2 * _PANEL + _BETWEEN + _ABOVE)
    asked = next(
        (
            at
            for at, grid in zip(where, grids, strict=True)
            if (grid.columns, grid.rows) == (numbers.asked(crops.columns), numbers.asked(crops.rows))
        ),
        None,
    )
    for (title, metrics, unit), low in zip(_PANELS, (bottom + _PANEL + _BETWEEN, bottom), strict=True):
        place = look.axes(figure, (_CROPS[0], low, _CROPS[1], _PANEL), title)
        rows = {stage: [sum(grid.stages[stage][metric] for metric in metrics) for grid in grids] for stage in colours}
        heights = [sum(column) for column in zip(*rows.values(), strict=True)]
        factor, name = axis_unit(max(heights), unit)
        scaled_rows = {stage: [value / factor for value in values] for stage, values in rows.items()}
        look.stacked(place, where, scaled_rows, colours, thick=0.84)
        top = max(heights) / factor * 1.22 or 1.0
        place.set(ylabel=f"[{name}]", ylim=(0, top), xlim=(where[0] - 0.8, where[-1] + 0.8))
        place.grid(visible=False, axis="x")
        place.tick_params(axis="x", length=0, pad=1.5)
        place.set_xticks([])
        if asked is not None:
            place.plot([asked] * 2, [heights[where.index(asked)] / factor, top * 0.92], color=look.GREY, linewidth=0.6)
            look.write(place, "asked", (asked, top), (0, 0), ha="center", va="top", fontsize=look.SMALL - 1)
    kept = [(at, name) for at, name in zip(where, names, strict=True) if name]
    if kept:
        place.set_xticks(*zip(*kept, strict=True), rotation=90 if turned else 0)
    _group(place, grids, where, pitch, words * 72 + 1.5)
    side = "" if kept else f"; {_BY} beside one another"
    place.set_xlabel(f"grid of {crops.number}, columns {_BY} rows, and number of {crops.number}{side}", labelpad=0)
    place.xaxis.set_label_coords(0.5, -(words + 0.25) / _PANEL)
    look.legend(figure, colours, (_CROPS[0], legend), _CROPS[1])
    return figure


def _crop_names(names: Sequence[str], pitch: float) -> tuple[list[str], bool]:
    """Return the names that fit below bars so many points apart, and whether they stand upright: all, or none."""
    if max(measured(name, look.SMALL)[0] for name in names) + _AIR <= pitch:
        return list(names), False
    if pitch >= look.SMALL + 0.5:
        return list(names), True
    return [""] * len(names), False


def _group(place: Any, grids: Sequence[CropGrid], where: Sequence[float], pitch: float, below: float) -> None:
    """Write below the grids, by so many points, how many pieces they have; leave out numbers that do not fit."""
    down = {"transform": place.get_xaxis_transform()}
    height = place.get_position().height * place.figure.get_size_inches()[1] * 72
    free = -1e9
    for crops, members in groupby(zip(where, grids, strict=True), key=lambda member: member[1].crops):
        if not crops:
            continue
        first, *_, last = [at for at, _ in members] * 2
        ends = [first - 0.4, last + 0.4]
        place.plot(ends, [-(below + 1) / height] * 2, color=look.GREY, linewidth=0.6, clip_on=False, **down)
        half, middle = (measured(str(crops), look.SMALL)[0] + _AIR) / 2 / pitch, (first + last) / 2
        if middle - half >= free:
            words = {"ha": "center", "va": "top", "fontsize": look.SMALL, **down}
            place.text(middle, -(below + 3) / height, str(crops), **words)
            free = middle + half


# Tokens: time of a decode step against the context, for several batches.

_WAIT: look.Box = (0.75, 0.45, 2.3, 2.0)
_RATE: look.Box = (4.5, 0.45, 2.3, 2.0)
_BATCHES = 56.0


def draw_tokens(numbers: Performance, steps: Sequence[Step]) -> Any:
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
    lines = [list(line) for _, line in groupby(steps, key=lambda step: step.batch)]
    shades = look.shades(len(lines))
    for line, shade, mark in zip(lines, shades, look.MARKS[: len(lines)], strict=True):
        place.plot([step.context for step in line], [height(step) for step in line], color=shade, marker=mark)
    contexts, heights = [step.context for step in lines[0]], [height(step) for step in steps]
    # Room for a word below all lines.
    margin = max(1.7, (max(heights) / min(heights)) ** 0.16)
    place.set(xscale="log", yscale="log", xlabel="context [tokens]")
    place.set(xlim=(contexts[0] / 1.25, contexts[-1] * 1.25), ylim=(min(heights) / margin, max(heights) * margin**0.6))
    _mark_asked(place, numbers)
    pitch = _WAIT[2] * 72 / (len(contexts) - 1 + 0.65)
    size = look.SMALL - 0.5
    every = max(1, -int(-(max(measured(str(context), size)[0] for context in contexts) + _AIR) // pitch))
    shown = contexts[(len(contexts) - 1) % every :: every]
    place.set_xticks(shown, [str(context) for context in shown], fontsize=size)
    place.set_yticks(look.log_ticks(*place.get_ylim()))
    place.minorticks_off()
    if named:
        ends = [(line[-1].context, height(line[-1])) for line in lines]
        _name_ends(place, [f"{numbers.roles.batch} {line[0].batch}" for line in lines], ends, shades)


def _mark_asked(place: Any, numbers: Performance) -> None:
    """Shade the contexts that the workload passes, and write at the foot of it or beside it that they are."""
    prompt, steps = numbers.asked(numbers.roles.prompt_tokens), numbers.asked(numbers.roles.new_tokens)
    first, last = prompt + 1, max(prompt + 1, prompt + steps)
    place.axvspan(first, last, color=look.PALE, zorder=0, linewidth=0)
    left, right = place.get_xlim()
    first, last = max(first, left), min(last, right)
    ends = [place.transData.transform((x, 1.0))[0] * 72 / place.figure.dpi for x in (left, first, last, right)]
    word = measured("asked", look.SMALL)[0] + _AIR
    foot = {"transform": place.get_xaxis_transform(), "va": "bottom", "fontsize": look.SMALL}
    if ends[2] - ends[1] >= word:
        place.text((first * last) ** 0.5, 0.02, "asked", ha="center", **foot)
    elif ends[3] - ends[2] >= word:
        place.annotate(
            "asked", (last, 0.02), (_AIR, 0), xycoords=foot.pop("transform"), textcoords="offset points", **foot
        )
    else:
        away = {"xycoords": foot.pop("transform"), "textcoords": "offset points", "ha": "right"}
        place.annotate("asked", (first, 0.02), (-_AIR, 0), **away, **foot)


def _name_ends(place: Any, names: Sequence[str], ends: Sequence[tuple[float, float]], shades: Sequence[str]) -> None:
    """Write names to the right of lines' ends, apart from one another."""
    scale = 72 / place.figure.dpi
    box = place.get_window_extent()
    spots = [place.transData.transform(end) * scale for end in ends]
    line = 1.25 * look.SMALL
    heights = apart([spot[1] for spot in spots], line, box.y0 * scale + line / 2, box.y1 * scale - line / 2)
    edge = box.x1 * scale
    for name, end, spot, height, shade in zip(names, ends, spots, heights, shades, strict=True):
        away = (edge + 3 - spot[0], height - spot[1])
        leader = {"arrowstyle": "-", "color": shade, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 2.5, "relpos": (0, 0.5)}
        far = abs(away[1]) > 1
        words = fitted(name, _BATCHES, look.SMALL)
        look.write(place, words, end, away, va="center", color=shade, arrowprops=leader if far else None)


# Memory against the batch, up to what the machine has.

_STACK: look.Box = (0.6, 0.45, 4.35, 2.1)
_RESIDENT = {"weights": "weight_bytes", "KV cache": "kv_cache_bytes", "activations": "activation_bytes"}


def draw_memory(numbers: Performance, curves: Curves) -> Any:
    """Draw weights, KV cache and activations stacked over the batch, and across them what the machine has."""
    from matplotlib.patches import Patch

    figure = look.new_figure(_NARROW)
    place = look.axes(figure, _STACK)
    batches = [resident.batch for resident in curves.batches]
    capacity, usable = numbers.fit.capacity_bytes, numbers.fit.capacity_bytes + numbers.fit.reserve_bytes
    highest = max(usable, *(resident.moment.peak_memory_bytes for resident in curves.batches))
    factor, unit = axis_unit(highest, "byte")
    rows = [[getattr(resident.moment, key) / factor for resident in curves.batches] for key in _RESIDENT.values()]
    place.stackplot(batches, *rows, colors=list(look.MEMORY), linewidth=0)
    known = []
    for height, words, dashes in ((usable, "usable memory", (0, (4, 2))), (capacity, "capacity", "-")):
        line = place.axhline(height / factor, color=look.INK, linewidth=0.9, linestyle=dashes)
        line.set_label(f"{words} {scaled(height, 'B')}")
        known.append(line)
    place.set(xlim=(batches[0], batches[-1]), ylim=(0, highest / factor * 1.06))
    place.set(xlabel=f"{numbers.roles.batch} [requests]", ylabel=f"resident memory [{unit}]")
    place.xaxis.get_major_locator().set_params(integer=True)
    place.xaxis.set_major_formatter(lambda value, _: scaled(value, ""))
    place.grid(visible=False)
    largest, asked = numbers.fit.largest_batch, numbers.asked(numbers.roles.batch)
    marked = []
    if largest:
        line = place.axvline(largest, color=look.INK, linewidth=0.9, linestyle=(0, (1, 1.5)))
        line.set_label(f"largest {numbers.roles.batch} that fits: {largest:,}")
        marked.append(line)
    if asked != largest:
        at = [asked], [numbers.fit.moment.peak_memory_bytes / factor]
        how = {"marker": "o", "color": look.INK, "linestyle": "none", "clip_on": False, "zorder": 4}
        marked += place.plot(*at, label=f"asked: {asked:,}", **how)
    squares = [Patch(facecolor=colour, label=name) for name, colour in zip(_RESIDENT, look.MEMORY, strict=True)]
    left = _STACK[0] + _STACK[2] + 0.12
    for handles, down in ((known, 0.0), (squares[::-1], 0.5), (marked, 1.15)):
        if handles:
            look.keyed(figure, handles, (left, _STACK[1] + _STACK[3] - down), look.WIDTH - left - 0.05, level=False)
    return figure
