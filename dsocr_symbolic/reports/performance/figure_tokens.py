"""Time of a decode step against the context, for several batches."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from dsocr_symbolic.reports.performance import figure_style as look
from dsocr_symbolic.reports.performance.curves import Curves, Step
from dsocr_symbolic.reports.performance.numbers import Performance
from dsocr_symbolic.writing.amounts import scaled

TITLE = "Time of a decode step and tokens per second against context and batch"


_HEIGHT = 2.7


_WAIT: look.Box = (0.75, 0.45, 2.3, 2.0)


_RATE: look.Box = (4.5, 0.45, 2.3, 2.0)


_MARGIN = 0.12


_Lines = Mapping[int, Sequence[Step]]


def draw(numbers: Performance, curves: Curves) -> Any:
    """Draw the time of a step, and the tokens per second of the whole batch; one line per batch."""
    figure = look.new_figure(_HEIGHT)
    lines = {batch: list(steps) for batch, steps in groupby(curves.steps, key=lambda step: step.batch)}
    wait = look.axes(figure, _WAIT, "a  Time of a decode step")
    _draw_lines(wait, numbers, lines, lambda step: step.seconds)
    _name_lines(wait, lines)
    wait.yaxis.set_major_formatter(lambda value, _: look.duration(value))
    wait.set_ylabel("roofline time")
    rate = look.axes(figure, _RATE, "b  Tokens of the whole batch")
    _draw_lines(rate, numbers, lines, lambda step: step.batch / step.seconds)
    rate.yaxis.set_major_formatter(lambda value, _: scaled(value, ""))
    rate.set_ylabel("[tokens/s]")
    return figure


def _draw_lines(place: Any, numbers: Performance, lines: _Lines, height: Callable[[Step], float]) -> None:
    """Draw a line per batch, and the contexts that the workload passes."""
    asked = numbers.result.values.numbers
    first, last = asked["prompt_tokens"] + 1, asked["prompt_tokens"] + asked["new_tokens"]
    place.axvspan(first, last, color=look.PALE, zorder=0, linewidth=0)
    for (_, steps), shade, mark in _dressed(lines):
        place.plot([step.context for step in steps], [height(step) for step in steps], color=shade, marker=mark)
    heights = [height(step) for steps in lines.values() for step in steps]
    contexts = [step.context for step in next(iter(lines.values()))]
    place.set(xscale="log", yscale="log", xlabel="context [tokens]")
    margin = max(1.5, (max(heights) / min(heights)) ** _MARGIN)
    place.set(xlim=(contexts[0] / 1.25, contexts[-1] * 1.25), ylim=(min(heights) / margin, max(heights) * margin))
    bottom = {"transform": place.get_xaxis_transform(), "ha": "center", "va": "bottom"}
    place.text((first * last) ** 0.5, 0.02, "asked", fontsize=look.SMALL, **bottom)
    place.set_xticks(contexts, [str(each) for each in contexts], fontsize=look.SMALL - 0.5)
    place.set_yticks(look.log_ticks(*place.get_ylim()))
    place.minorticks_off()


def _name_lines(place: Any, lines: _Lines) -> None:
    """Write at the end of each line which batch it is."""
    for (batch, steps), shade, _ in _dressed(lines):
        end, away = (steps[-1].context, steps[-1].seconds), {"xytext": (6, 0), "textcoords": "offset points"}
        place.annotate(f"batch {batch}", end, va="center", fontsize=look.SMALL, color=shade, **away)


def _dressed(lines: _Lines) -> Iterator[tuple[tuple[int, Sequence[Step]], str, str]]:
    """Give each line a shade and a mark."""
    return zip(lines.items(), look.shades(len(lines)), look.MARKS[: len(lines)], strict=True)
