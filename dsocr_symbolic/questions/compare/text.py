"""A comparison as tables for a terminal."""

from collections.abc import Sequence
from typing import Any

from dsocr_symbolic.language.registry import is_bound, is_time, load_metrics
from dsocr_symbolic.questions.compare.comparison import Comparison, Difference
from dsocr_symbolic.writing.amounts import measured
from dsocr_symbolic.writing.terminal import indented, on_terminal

_MOST_CAUSES = 10


def comparison_text(found: Comparison) -> str:
    """Print a comparison: every metric against the baseline, then what explains it."""
    parts = [on_terminal(_summary(found)).rstrip()]
    for metric, baseline, differences in zip(found.metrics, found.baseline, found.differences, strict=True):
        for name, each in zip(found.names[1:], differences, strict=True):
            if each.causes:
                parts.append(_explained(metric, baseline, f"{name} against {found.names[0]}", each))
    doubtful = {name: None for about in found.about for name in about["unverified"]}
    parts.append(_legend(found.metrics, list(doubtful)))
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
    for metric, baseline, differences in zip(found.metrics, found.baseline, found.differences, strict=True):
        cells = [_amount(metric, baseline)]
        for each in differences:
            cells += [_amount(metric, each.value), "-" if each.ratio is None else f"{each.ratio:.4g}"]
        table.add_row(metric, *cells)
    return table


def _amount(metric: str, value: Any) -> str:
    if value is None:
        return "-"
    return f"{'at least ' if is_bound(metric) else ''}{measured(value, load_metrics()[metric].unit)}"


def _explained(metric: str, baseline: Any, title: str, difference: Difference) -> str:
    from rich.table import Table

    unit = load_metrics()[metric].unit
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(overflow="fold")
    for _ in range(4):
        table.add_column(justify="right", no_wrap=True)
    for cause in difference.causes[:_MOST_CAUSES]:
        amounts = [measured(each, unit) for each in (cause.baseline, cause.value)]
        table.add_row(f"  {cause.path}", amounts[0], "->", amounts[1], _signed(cause.difference, unit))
    more = len(difference.causes) - _MOST_CAUSES
    rest = f"\n  {more} more of those that explain it; --format json lists them" if more > 0 else ""
    change = f"{measured(baseline, unit)} -> {measured(difference.value, unit)}, {_signed(difference.difference, unit)}"
    count = f"{len(difference.causes)} of {len(difference.causes) + difference.others} parts that differ"
    head = f"{metric}, {title}: {change}; {difference.explained:.0%} of all differences in {count}"
    return f"{indented([head])}\n{on_terminal(table).rstrip()}{rest}"


def _signed(value: Any, unit: str) -> str:
    return f"{'+' if value > 0 else ''}{measured(value, unit)}"


def _legend(metrics: Sequence[str], doubtful: Sequence[str]) -> str:
    times = [name for name in metrics if is_time(name)]
    bounds = [name for name in times if is_bound(name)]
    said = [f"{', '.join(bounds)}: no run is faster; a ratio of lower bounds bounds no ratio."] if bounds else []
    plain = [name for name in times if name not in bounds]
    said += [f"{', '.join(plain)}: neither bound nor forecast."] if plain else []
    said += [f"unverified: {', '.join(doubtful)}."] if doubtful else []
    said.append("ratio: to the baseline. Parts are the deepest nodes, differences taken without their signs.")
    return indented([" ".join(said)])
