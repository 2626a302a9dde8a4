"""A comparison as tables for a terminal."""

from collections.abc import Sequence
from typing import Any

from dsocr_symbolic.language.registry import is_bound, is_time, load_metrics
from dsocr_symbolic.questions.compare.comparison import Comparison, Difference
from dsocr_symbolic.writing.amounts import measured
from dsocr_symbolic.writing.terminal import indented, on_terminal, table

_MOST_CAUSES = 10


def comparison_text(comparison: Comparison) -> str:
    """Print a comparison: every metric against the baseline, then what explains it."""
    first, *others = comparison.names
    rows = list(zip(comparison.metrics, comparison.baseline, comparison.differences, strict=True))
    parts = [on_terminal(_summary(comparison)).rstrip()]
    for metric, baseline, differences in rows:
        for name, difference in zip(others, differences, strict=True):
            if difference.causes:
                parts.append(_explained(metric, baseline, f"{name} against {first}", difference))
    doubtful = {name: None for about in comparison.about for name in about["unverified"]}
    parts.append(_legend(comparison.metrics, list(doubtful)))
    return "\n\n".join(parts) + "\n"


def _summary(comparison: Comparison) -> Any:
    from rich.markup import escape

    first, *others = (escape(name) for name in comparison.names)
    made = table("metric", f">{first}", *(title for name in others for title in (f">{name}", ">ratio")), wrap=True)
    for metric, baseline, differences in zip(
        comparison.metrics, comparison.baseline, comparison.differences, strict=True
    ):
        cells = [_amount(metric, baseline)]
        for difference in differences:
            ratio = "-" if difference.ratio is None else f"{difference.ratio:.4g}"
            cells += [_amount(metric, difference.value), ratio]
        made.add_row(metric, *cells)
    return made


def _amount(metric: str, value: Any) -> str:
    if value is None:
        return "-"
    return f"{'at least ' if is_bound(metric) else ''}{measured(value, load_metrics()[metric].unit)}"


def _explained(metric: str, baseline: Any, title: str, difference: Difference) -> str:
    unit = load_metrics()[metric].unit
    made = table("", *[">"] * 4, header=False)
    for cause in difference.causes[:_MOST_CAUSES]:
        before, after = (measured(value, unit) for value in (cause.baseline, cause.value))
        made.add_row(f"  {cause.path}", before, "->", after, _signed(cause.difference, unit))
    more = len(difference.causes) - _MOST_CAUSES
    rest = f"\n  {more} more of those that explain it; --format json lists them" if more > 0 else ""
    change = f"{measured(baseline, unit)} -> {measured(difference.value, unit)}, {_signed(difference.difference, unit)}"
    count = f"{len(difference.causes)} of {len(difference.causes) + difference.others} parts that differ"
    head = f"{metric}, {title}: {change}; {difference.explained:.0%} of all differences in {count}"
    return f"{indented([head])}\n{on_terminal(made).rstrip()}{rest}"


def _signed(value: Any, unit: str) -> str:
    return f"{'+' if value > 0 else ''}{measured(value, unit)}"


def _legend(metrics: Sequence[str], doubtful: Sequence[str]) -> str:
    bounds = [name for name in metrics if is_time(name) and is_bound(name)]
    plain = [name for name in metrics if is_time(name) and not is_bound(name)]
    said = [f"{', '.join(bounds)}: no run is faster; a ratio of lower bounds bounds no ratio."] if bounds else []
    said += [f"{', '.join(plain)}: neither bound nor forecast."] if plain else []
    said += [f"unverified: {', '.join(doubtful)}."] if doubtful else []
    said.append("ratio: to the baseline. Parts are the deepest nodes, differences taken without their signs.")
    return indented([" ".join(said)])
