"""The metrics of one call, laid out: every one of the registry that a call has, taken apart."""

from collections.abc import Sequence

from attrs import frozen

from dsocr_symbolic.language.formula import Operator
from dsocr_symbolic.language.registry import Metric, load_metrics
from dsocr_symbolic.reports.formulas import named_parts
from dsocr_symbolic.reports.formulas.alone import Alone, local_names, local_value
from dsocr_symbolic.reports.formulas.layout import (
    Scripts,
    aligned,
    is_short,
    part_rows,
    scripts_of,
    steps,
    sum_of_parts,
)
from dsocr_symbolic.reports.formulas.moments import deciding_moment
from dsocr_symbolic.reports.formulas.named_parts import Part
from dsocr_symbolic.writing.latex import upright

_SAVED = "By the line that saves a tensor first; weights are at hand anyway."


_COMPULSORY = "Of a line: its weights and its KV cache; what passes between the lines is never moved."


_OF_A_CALL = ("flow", "stock", "boundary", "peak")


@frozen(kw_only=True)
class Section:
    """One metric of a call.

    Attributes
    ----------
    metric, unit, definition : str
        From the registry.
    says : str
        A sentence before the formulas, or in their place.
    blocks : tuple of str
        LaTeX.
    value : number
        The result.
    used : frozenset of str
        Symbols that stand in the formulas.
    """

    metric: str
    unit: str
    definition: str
    says: str
    blocks: tuple[str, ...]
    value: object
    used: frozenset[str]


def sections(alone: Alone) -> tuple[list[Section], list[str]]:
    """Lay out every metric of a call.

    Parameters
    ----------
    alone : Alone
        The call.

    Returns
    -------
    sections : list of Section
        Forward before backward.
    zeros : list of str
        The metrics that are 0 whatever the sizes.
    """
    found: list[Section] = []
    zeros: list[str] = []
    scripts = scripts_of(alone)
    known = {name: each for name, each in load_metrics().items() if each.kind in _OF_A_CALL}
    for metric in sorted(known.values(), key=lambda each: each.name.startswith("backward_")):
        section = _peak(alone, metric, scripts) if metric.kind == "peak" else _added(alone, metric, scripts)
        if section is None:
            zeros.append(metric.name)
        else:
            found.append(section)
    return found, zeros


def local_block(alone: Alone) -> tuple[str, frozenset[str]]:
    """Lay out the local names of a formula, and say which symbols they use."""
    scripts = scripts_of(alone)
    rows: list[str] = []
    used: set[str] = set()
    for name in local_names(alone.formula):
        expression = local_value(alone, name)
        rows += steps(upright(name), expression, alone.numbers[name], scripts)
        used |= {str(each) for each in expression.free_symbols}
    return aligned(rows) if rows else "", frozenset(used)


def _added(alone: Alone, metric: Metric, scripts: Scripts) -> Section | None:
    """Lay out a metric that adds up."""
    if alone.groups and (metric.kind == "flow" or metric.name == "backward_activation_bytes"):
        found = _of_lines(alone, metric)
        total = named_parts.together(alone, found)
        says = "" if metric.kind == "flow" else _SAVED
        return _section(metric, says, _blocks(metric, found, total, scripts), found) if found else None
    whole = named_parts.whole(alone, metric.name)
    if whole is None:
        return None
    if metric.kind == "boundary" and isinstance(alone.formula, Operator):
        return _section(metric, "Its own traffic: `forward_io_bytes`.", (), [whole])
    # Bytes of weights and their gradients follow from the parameters, part by part.
    alike = metric.kind == "stock" and metric.name != "parameters" and is_short(whole.each, scripts)
    found = [] if alike else _of_call(alone, metric)
    says = _COMPULSORY if metric.kind == "boundary" else ""
    return _section(metric, says, _blocks(metric, found, whole, scripts), [whole])


def _of_lines(alone: Alone, metric: Metric) -> list[Part]:
    """Take a metric of a layer apart that is nothing but what its lines add."""
    if metric.kind != "flow":
        return named_parts.saved_parts(alone)
    if metric.name == "operator_launches":
        return named_parts.launch_parts(alone)
    return named_parts.flow_parts(alone, metric.name)


def _of_call(alone: Alone, metric: Metric) -> list[Part]:
    """Take another metric apart."""
    if metric.kind == "boundary":
        return named_parts.compulsory_parts(alone)
    if metric.kind == "stock":
        return named_parts.stock_parts(alone, metric.name)
    if metric.name == "forward_io_bytes":
        return named_parts.tensor_parts(alone)
    return named_parts.flow_parts(alone, metric.name)


def _blocks(metric: Metric, found: Sequence[Part], total: Part, scripts: Scripts) -> tuple[str, ...]:
    """Write a metric in one formula, or as a sum of parts."""
    if len(found) > 1:
        return tuple(sum_of_parts(metric, found, total, scripts))
    (part,) = found or [total]
    return (aligned(part_rows(metric.latex, part, scripts, unit=metric.unit)),)


def _peak(alone: Alone, metric: Metric, scripts: Scripts) -> Section | None:
    """Lay out the moment at which the most is alive."""
    moment = deciding_moment(alone)
    if not moment.alive:
        return None
    total = named_parts.together(alone, moment.alive)
    says = f"The most is alive while `{moment.at}` runs." if moment.at else "What it takes and gives."
    return _section(metric, says, _blocks(metric, moment.alive, total, scripts), [*moment.alive])


def _section(metric: Metric, says: str, blocks: tuple[str, ...], used: Sequence[Part]) -> Section:
    symbols = {each.name for part in used if part.each is not None for each in part.expression.free_symbols}
    return Section(
        metric=metric.name,
        unit=metric.unit,
        definition=metric.definition,
        says=says,
        blocks=blocks,
        value=sum(part.value for part in used),
        used=frozenset(symbols),
    )
