"""FLOPs and bytes moved against the grid of crops that a page is cut into."""

from collections.abc import Sequence
from itertools import groupby, pairwise
from typing import Any

from dsocr_symbolic.reports.performance import figure_style as look
from dsocr_symbolic.reports.performance.curves import Curves, Grid
from dsocr_symbolic.reports.performance.numbers import Performance

TITLE = "FLOPs and bytes moved by stage for every grid of crops"


_HEIGHT = 3.7


_FLOPS: look.Box = (0.55, 2.25, 6.55, 1.2)


_BYTES: look.Box = (0.55, 0.78, 6.55, 1.2)


_PANELS = (
    (_FLOPS, "a  FLOPs", ("forward_tensor_core_flops", "forward_cuda_core_flops"), "[TFLOP]", 1e12),
    (_BYTES, "b  Bytes moved", ("forward_io_bytes",), "[GB]", 1e9),
)


_GAP = 0.7


_BY = "\N{MULTIPLICATION SIGN}"


_ROOM = 1.2


def draw(numbers: Performance, curves: Curves) -> Any:
    """Draw one bar per grid, stacked by stage; grids of equally many crops stand together."""
    figure = look.new_figure(_HEIGHT)
    colours = look.stage_colours(stage.name for stage in numbers.stages)
    where = _places(curves.grids)
    asked = _asked(numbers, curves.grids)
    for box, title, metrics, unit, factor in _PANELS:
        place = look.axes(figure, box, title)
        rows = {
            stage: [sum(grid.stages[stage][metric] for metric in metrics) / factor for grid in curves.grids]
            for stage in colours
        }
        look.stacked(place, where, rows, colours, width=0.84)
        heights = [sum(column) for column in zip(*rows.values(), strict=True)]
        place.set(ylabel=unit, ylim=(0, max(heights) * _ROOM), xlim=(where[0] - 0.8, where[-1] + 0.8))
        place.grid(visible=False, axis="x")
        place.tick_params(axis="x", length=0, pad=1.5)
        place.set_xticks(where, [_name(grid) for grid in curves.grids] if box is _BYTES else [])
        if asked is not None:
            at = (where[asked], heights[asked])
            place.annotate("asked", at, xytext=(0, 2), textcoords="offset points", ha="center", fontsize=look.SMALL - 1)
    _group(place, curves.grids, where)
    look.legend(figure, colours, (_BYTES[0] / look.WIDTH, 0.01), columns=len(colours), corner="lower left")
    return figure


def _places(grids: Sequence[Grid]) -> list[float]:
    """Return where bars stand, with a gap where the number of crops changes."""
    gaps = [0.0, *(1 + _GAP * (before.crops != after.crops) for before, after in pairwise(grids))]
    return [sum(gaps[: place + 1]) for place in range(len(grids))]


def _asked(numbers: Performance, grids: Sequence[Grid]) -> int | None:
    asked = [numbers.result.values.numbers[name] for name in ("crop_columns", "crop_rows")]
    return next((place for place, grid in enumerate(grids) if [grid.columns, grid.rows] == asked), None)


def _name(grid: Grid) -> str:
    return f"{grid.columns}{_BY}{grid.rows}" if grid.crops else "none"


def _group(place: Any, grids: Sequence[Grid], where: Sequence[float]) -> None:
    """Write below the grids how many crops they have."""
    for crops, members in groupby(zip(where, grids, strict=True), key=lambda each: each[1].crops):
        stand = [at for at, _ in members]
        if crops:
            line = place.get_xaxis_transform()
            place.plot(
                [stand[0] - 0.4, stand[-1] + 0.4],
                [-0.15] * 2,
                color=look.GREY,
                linewidth=0.6,
                clip_on=False,
                transform=line,
            )
            middle = (stand[0] + stand[-1]) / 2
            place.text(middle, -0.18, str(crops), transform=line, ha="center", va="top", fontsize=look.SMALL)
    place.set_xlabel(f"grid of crops, columns {_BY} rows, and number of crops", labelpad=17)
