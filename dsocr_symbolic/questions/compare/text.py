"""A comparison as tables for a terminal."""

from collections.abc import Iterator
from typing import Any

from dsocr_symbolic.language.registry import is_bound, is_time, load_metrics
from dsocr_symbolic.questions.compare.comparison import Comparison, Difference
from dsocr_symbolic.writing.amounts import measured
from dsocr_symbolic.writing.notebook import Grid, Page
from dsocr_symbolic.writing.terminal import indented, on_terminal

_MOST_CAUSES = 10


def comparison_text(found: Comparison) -> str:
    """Print a comparison: every metric against the baseline, then what explains it."""
    parts = [on_terminal(_summary(found)).rstrip()]
    for metric, baseline, differences in zip(found.metrics, found.baseline, found.differences, strict=True):
        for name, each in zip(found.names[1:], differences, strict=True):
            if each.causes:
                parts.append(_explained(metric, baseline, f"{name} against {found.names[0]}", each))
    parts.append(indented([_legend(found)]))
    return "\n\n".join(parts) + "\n"


def _summary(found: Comparison) -> Any:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("metric")
    table.add_column(escape(found.names[0]), justify="right", overflow="fold")
    for name in found.names[1:]:
        table.add_column(escape(name), justify="right", overflow="fold")
        table.add_column("ratio", justify="right")
    for row in _rows(found):
        table.add_row(*row)
    return table


def _rows(found: Comparison) -> Iterator[tuple[str, ...]]:
    """Yield a line of cells per metric: the baseline, then each scenario and its ratio."""
    for metric, baseline, differences in zip(found.metrics, found.baseline, found.differences, strict=True):
        cells = [metric, _amount(metric, baseline)]
        for each in differences:
            cells += [_amount(metric, each.value), "-" if each.ratio is None else f"{each.ratio:.4g}"]
        yield tuple(cells)


def line(found: Comparison) -> str:
    """Say the scenarios, and the ratios of every metric."""
    ratios = [
        f"{metric} x {', '.join('-' if each.ratio is None else f'{each.ratio:.4g}' for each in differences)}"
        for metric, differences in zip(found.metrics, found.differences, strict=True)
    ]
    return f"{', '.join(name or 'nothing' for name in found.names[1:])} against {found.names[0]}: {'; '.join(ratios)}"


def page(found: Comparison) -> Page:
    """Say every metric of every scenario, then what explains each difference."""
    columns = ("metric", found.names[0], *(title for name in found.names[1:] for title in (name, "ratio")))
    blocks: list[str | Grid] = [Grid(columns=columns, rows=tuple(_rows(found)))]
    for metric, baseline, differences in zip(found.metrics, found.baseline, found.differences, strict=True):
        for name, each in zip(found.names[1:], differences, strict=True):
            if each.causes:
                titles = ("part", found.names[0], name, "difference")
                blocks.append(_change(metric, baseline, f"{name} against {found.names[0]}", each))
                blocks.append(Grid(columns=titles, rows=tuple(_causes(metric, each))))
    return Page(head=f"{', '.join(found.names[1:])} against {found.names[0]}", blocks=(*blocks, _legend(found)))


def _amount(metric: str, value: Any) -> str:
    if value is None:
        return "-"
    return f"{'at least ' if is_bound(metric) else ''}{measured(value, load_metrics()[metric].unit)}"


def _explained(metric: str, baseline: Any, title: str, difference: Difference) -> str:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(overflow="fold")
    for _ in range(4):
        table.add_column(justify="right", no_wrap=True)
    for path, before, after, change in _causes(metric, difference):
        table.add_row(f"  {path}", before, "->", after, change)
    more = len(difference.causes) - _MOST_CAUSES
    rest = f"\n  {more} more of those that explain it; --format json lists them" if more > 0 else ""
    return f"{indented([_change(metric, baseline, title, difference)])}\n{on_terminal(table).rstrip()}{rest}"


def _causes(metric: str, difference: Difference) -> Iterator[tuple[str, str, str, str]]:
    """Yield a line of cells for each of the first causes: path, before, after, change."""
    unit = load_metrics()[metric].unit
    for cause in difference.causes[:_MOST_CAUSES]:
        yield cause.path, measured(cause.baseline, unit), measured(cause.value, unit), _signed(cause.difference, unit)


def _change(metric: str, baseline: Any, title: str, difference: Difference) -> str:
    unit = load_metrics()[metric].unit
    change = f"{measured(baseline, unit)} -> {measured(difference.value, unit)}, {_signed(difference.difference, unit)}"
    count = f"{len(difference.causes)} of {len(difference.causes) + difference.others} parts that differ"
    return f"{metric}, {title}: {change}; {difference.explained:.0%} of all differences in {count}"


def _signed(value: Any, unit: str) -> str:
    return f"{'+' if value > 0 else ''}{measured(value, unit)}"


def _legend(found: Comparison) -> str:
    doubtful = dict.fromkeys(name for about in found.about for name in about["unverified"])
    times = [name for name in found.metrics if is_time(name)]
    bounds = [name for name in times if is_bound(name)]
    said = [f"{', '.join(bounds)}: no run is faster; a ratio of lower bounds bounds no ratio."] if bounds else []
    plain = [name for name in times if name not in bounds]
    said += [f"{', '.join(plain)}: neither bound nor forecast."] if plain else []
    said += [f"unverified: {', '.join(doubtful)}."] if doubtful else []
    said.append("ratio: to the baseline. Parts are the deepest nodes, differences taken without their signs.")
    return " ".join(said)
