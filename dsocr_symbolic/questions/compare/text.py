"""A comparison as tables for a terminal, and as a page for a notebook."""

from collections.abc import Iterator
from typing import Any

from dsocr_symbolic.language.registry import load_metrics
from dsocr_symbolic.language.time_formula import is_bound, is_plain_time, is_time
from dsocr_symbolic.questions.compare.comparison import OTHERS, Comparison, MetricDifference
from dsocr_symbolic.questions.question import derived_notes
from dsocr_symbolic.questions.settings_text import command_notes
from dsocr_symbolic.scenario.claims import Claims
from dsocr_symbolic.writing.amounts import measured
from dsocr_symbolic.writing.notebook import Page, TextGrid, warned
from dsocr_symbolic.writing.terminal import indented, on_terminal, table

_MOST_CAUSES = 10


def comparison_text(comparison: Comparison, command: str | None = None) -> str:
    """Print a comparison: what each scenario is, every metric against the baseline, then what explains it."""
    head, *titles = _titles(comparison)
    summary = table(head, *(f">{title}" for title in titles))
    for row in _rows(comparison):
        summary.add_row(*row)
    said = [
        indented([f"{name}: {about['stated']}"]) for name, about in zip(comparison.names, comparison.about, strict=True)
    ]
    said += [indented([note]) for note in command_notes(command)]
    parts = ["\n".join(said), on_terminal(summary).rstrip()]
    for _, metric, change, difference in _explained(comparison):
        made = table("", *[">"] * 4, header=False)
        for path, before, after, by in _causes(metric, difference):
            made.add_row(f"  {path}", before, "->", after, by)
        more = len(difference.causes) - _MOST_CAUSES
        rest = f"\n  {more} more of those that explain it; --format json lists them" if more > 0 else ""
        parts.append(f"{indented([change])}\n{on_terminal(made).rstrip()}{rest}")
    return "\n\n".join([*parts, indented([_legend(comparison)])]) + "\n"


def _titles(comparison: Comparison) -> tuple[str, ...]:
    first, *others = comparison.names
    return ("metric", first, *(title for name in others for title in (name, "ratio")))


def _rows(comparison: Comparison) -> Iterator[tuple[str, ...]]:
    """Yield a line of cells per metric: the baseline, then each scenario and its ratio."""
    rows = zip(comparison.metrics, comparison.baseline, comparison.differences, strict=True)
    for metric, baseline, differences in rows:
        pairs = ((_amount(metric, difference.value), _ratio(difference)) for difference in differences)
        yield (metric, _amount(metric, baseline), *(cell for pair in pairs for cell in pair))


def _ratio(difference: MetricDifference) -> str:
    return "-" if difference.ratio is None else f"{difference.ratio:.4g}"


def _amount(metric: str, value: Any) -> str:
    if value is None:
        return "-"
    return f"{'at least ' if is_bound(metric) else ''}{measured(value, load_metrics()[metric].unit)}"


def _explained(comparison: Comparison) -> Iterator[tuple[str, str, str, MetricDifference]]:
    """Yield scenario, metric, the change in words, and the difference, wherever something causes one."""
    first, *others = comparison.names
    rows = zip(comparison.metrics, comparison.baseline, comparison.differences, strict=True)
    for metric, baseline, differences in rows:
        unit = load_metrics()[metric].unit
        for name, difference in zip(others, differences, strict=True):
            if difference.causes:
                change = f"{measured(baseline, unit)} -> {measured(difference.value, unit)}"
                change += f", {_signed(difference.difference, unit)}"
                count = f"{len(difference.causes)} of {len(difference.causes) + difference.others} parts that differ"
                share = f"{difference.explained:.0%} of all differences in {count}"
                yield name, metric, f"{metric}, {name} against {first}: {change}; {share}", difference


def _causes(metric: str, difference: MetricDifference) -> Iterator[tuple[str, str, str, str]]:
    """Yield a line of cells for each of the first causes: path, before, after, change."""
    unit = load_metrics()[metric].unit
    for cause in difference.causes[:_MOST_CAUSES]:
        yield cause.label, measured(cause.baseline, unit), measured(cause.value, unit), _signed(cause.difference, unit)


def _signed(value: Any, unit: str) -> str:
    return f"{'+' if value > 0 else ''}{measured(value, unit)}"


def _legend(comparison: Comparison) -> str:
    doubtful = dict.fromkeys(name for about in comparison.about for name in about["unverified"])
    times = [name for name in comparison.metrics if is_time(name)]
    bounds = [name for name in times if is_bound(name)]
    said = [f"{', '.join(bounds)}: no run is faster; a ratio of lower bounds bounds no ratio."] if bounds else []
    lacking = {
        about["gpu"]: Claims(bound=tuple(about["unclaimed"]), device=tuple(about["unmeasured"]))
        for about in comparison.about
    }
    refusals = (claims.refusal(metric, gpu) for gpu, claims in lacking.items() for metric in times)
    said += [f"{refusal}." for refusal in dict.fromkeys(refusals) if refusal]
    plain = [name for name in times if is_plain_time(name)]
    said += [f"{', '.join(plain)}: neither bound nor forecast."] if plain else []
    said += [f"{note}." for about in comparison.about for note in derived_notes(about, times)]
    said += [f"unverified: {', '.join(doubtful)}."] if doubtful else []
    said.append("ratio: to the baseline. Parts are the deepest nodes, differences taken without their signs.")
    causes = (cause for each in comparison.differences for one in each for cause in one.causes)
    if any(cause.path.endswith(OTHERS) for cause in causes):
        said.append(f"{OTHERS.strip('/')}: what just one of both has there, all together.")
    return " ".join(said)


def line(comparison: Comparison) -> str:
    """Say the scenarios, and the ratios of every metric."""
    first, *others = comparison.names
    ratios = [
        f"{metric} x {', '.join(_ratio(difference) for difference in differences)}"
        for metric, differences in zip(comparison.metrics, comparison.differences, strict=True)
    ]
    return f"{', '.join(name or 'nothing' for name in others)} against {first}: {'; '.join(ratios)}"


def page(comparison: Comparison) -> Page:
    """Say every metric of every scenario, then what explains each difference."""
    first, *others = comparison.names
    blocks: list[str | TextGrid] = [TextGrid(columns=_titles(comparison), rows=tuple(_rows(comparison)))]
    for name, metric, change, difference in _explained(comparison):
        titles = ("part", first, name, "difference")
        blocks += [change, TextGrid(columns=titles, rows=tuple(_causes(metric, difference)))]
    return Page(
        head=f"{', '.join(others)} against {first}", blocks=(*blocks, _legend(comparison), *warned(comparison.warnings))
    )
