"""Predicted seconds against measured ones as tables for a terminal."""

from collections.abc import Iterable, Iterator, Sequence

from dsocr_symbolic.measurement.comparison.operators import DETAILED, OperatorError
from dsocr_symbolic.measurement.comparison.pairs import CaseError, Errors, SecondsComparison
from dsocr_symbolic.writing.amounts import duration
from dsocr_symbolic.writing.terminal import indented, on_terminal, table

KINDS = ("forward", "backward", "wall_eager", "wall_graph")
"""Of errors, as fields of :class:`.pairs.ComponentErrors`."""
NONE = "-"
SMALLEST_SHARE = 0.001
"""Operators with less of all measured time, and of all predicted time, are not printed."""
_LEGEND = """error: predicted / measured - 1. forward, backward: time that the GPU is busy. wall: what a caller waits
for, against the quietest round. Of components: mean of the errors without signs, and the worst one; overall, mean of
the means. most of the error: the operator that is farthest off in the direction of the case's error, and what limits
it. graph: replayed, else launched by the host. kernels: measured / predicted. Operators are those of eager calls, added
up over modules and cases; a few names go together."""


def comparison_text(comparison: SecondsComparison) -> str:
    """Print a comparison: where it was measured, errors by component, by operator and by case."""
    parts = [
        indented([machine_line(comparison)]),
        _components(comparison),
        *_operators(comparison.operators, "operator, eager calls together"),
        *_operators(comparison.longest, "module", modules=True),
        _device(comparison),
        _wall(comparison),
        indented([_LEGEND]),
    ]
    return "\n\n".join(part.rstrip() for part in parts if part) + "\n"


def machine_line(comparison: SecondsComparison) -> str:
    """Say where it was measured, and on whose constants it was predicted."""
    on = comparison.machine
    measured = f"measured on {on.gpu}, {on.date}, torch {on.torch}, CUDA {on.cuda}, driver {on.driver}"
    return f"{measured}, walls in {comparison.rounds} rounds; predicted on {comparison.predicted_on}"


def percent(value: float | None, *, sign: bool = True) -> str:
    """Print an error in percent, with its sign; ``-`` where there is none."""
    return NONE if value is None else f"{100 * value:{'+' if sign else ''}.1f} %"


def time(value: float | None) -> str:
    """Print a time of four digits; ``-`` where there is none."""
    return duration(value) if value else NONE


def count(value: float | None) -> str:
    """Print how many kernels; expected ones are no whole number."""
    return NONE if value is None else f"{value:,.0f}"


def shown(operators: Iterable[OperatorError]) -> list[OperatorError]:
    """Return the operators that are worth a line."""
    listed = list(operators)
    whole = sum(each.predicted_s for each in listed)
    return [each for each in listed if max(each.share, each.predicted_s / whole if whole else 0) >= SMALLEST_SHARE]


def inside(cases: Iterable[CaseError]) -> tuple[int, int]:
    """Return in how many cases the predicted wall is between the quietest and the slowest round, and of how many."""
    said = [case.inside for case in cases if case.inside is not None]
    return sum(said), len(said)


def bound_line(case: CaseError) -> str:
    """Say that a lower bound is above a time that was measured."""
    return (
        f"{case.component} {case.call}: the lower bound, {time(case.lower_bound_s)}, is above the measured "
        f"{time(case.least_s)}: no run may be faster, mend the formula or the GPU's peaks"
    )


def _components(comparison: SecondsComparison) -> str:
    titles = ("forward", "backward", "eager wall", "graph wall")
    made = table("component", *(f">{word}" for title in titles for word in (title, "worst")))
    for each in comparison.components:
        made.add_row(each.component, *_cells(getattr(each, kind) for kind in KINDS))
    means = [(percent(comparison.means[kind], sign=False), "") for kind in KINDS]
    made.add_row("overall", *(cell for pair in means for cell in pair))
    within, of = inside(comparison.cases)
    holding = [case.bound_holds for case in comparison.cases if case.bound_holds is not None]
    said = f"{within} of {of} predicted walls are between the quietest and the slowest round; "
    said += f"{sum(holding)} of {len(holding)} lower bounds are at or below every measured time"
    return on_terminal(made) + indented([said])


def _cells(kinds: Iterable[Errors | None]) -> Iterator[str]:
    for errors in kinds:
        yield percent(errors.mean, sign=False) if errors else NONE
        yield percent(errors.worst) if errors else NONE


def _operators(operators: Sequence[OperatorError], title: str, *, modules: bool = False) -> list[str]:
    if not operators:
        return []
    heads = (title, "operator") if modules else (title,)
    made = table(*heads, ">measured", ">share", ">predicted", ">error", "limit")
    for each in operators if modules else shown(operators):
        names = (each.module or NONE, each.operator) if modules else (each.operator,)
        amounts = (time(each.measured_s), percent(each.share, sign=False), time(each.predicted_s))
        made.add_row(*names, *amounts, percent(each.error), each.limit or NONE)
    sizes = ", ".join(f"{name} {value}" for name, value in DETAILED[2].items())
    said = f"where the milliseconds of {DETAILED[0]} go, {sizes}\n" if modules else ""
    return [said + on_terminal(made, keys=len(heads))]


def _device(comparison: SecondsComparison) -> str:
    made = table("GPU busy", ">measured", ">predicted", ">error", "most of the error")
    for name, cases in by_component(comparison).items():
        made.add_row(name, *[""] * 4)
        for case in cases:
            amounts = (time(case.measured_s), time(case.predicted_s), percent(case.error))
            made.add_row(f"  {case.call}", *amounts, cause_words(case.cause))
    return on_terminal(made)


def _wall(comparison: SecondsComparison) -> str:
    made = table("wall", ">quietest", ">slowest", ">predicted", ">error", "inside", ">kernels")
    for name, cases in by_component(comparison).items():
        rows = [case for case in cases if case.wall_error is not None]
        if rows:
            made.add_row(name, *[""] * 6)
        for case in rows:
            amounts = (time(case.quietest_s), time(case.slowest_s), time(case.predicted_wall_s))
            kernels = f"{count(case.measured_kernels)}/{count(case.predicted_kernels)}"
            made.add_row(f"  {case.call}", *amounts, percent(case.wall_error), "yes" if case.inside else "no", kernels)
    return on_terminal(made) if made.row_count else ""


def by_component(comparison: SecondsComparison) -> dict[str, list[CaseError]]:
    """Return the cases of each component."""
    groups: dict[str, list[CaseError]] = {each.component: [] for each in comparison.components}
    for case in comparison.cases:
        groups[case.component].append(case)
    return groups


def cause_words(cause: OperatorError | None) -> str:
    """Name an operator and what limits it; ``-`` for none."""
    if cause is None:
        return NONE
    return f"{cause.operator}: {cause.limit or 'not predicted'}"
