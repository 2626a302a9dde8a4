"""A solution in words for a terminal."""

from dsocr_symbolic.questions.question import Question
from dsocr_symbolic.questions.solve.search import Run
from dsocr_symbolic.questions.solve.solution import Solution, looked_text
from dsocr_symbolic.writing.amounts import compared, measured
from dsocr_symbolic.writing.notebook import Page, TextGrid, warned
from dsocr_symbolic.writing.terminal import indented

_MOST_RUNS = 8


def solution_text(question: Question, solution: Solution) -> str:
    """Print a solution: the answer, both sides around it, what decides, how it was found."""
    # Beside a real number stands the next float64, which tells nothing.
    points = [solution.at, solution.beyond] if isinstance(solution.value, int) else []
    lines = [
        line(solution),
        *_where(solution),
        question.heading(*solution.metrics),
        *(f"at {measured(at.value)}: {compared(at.left, at.right, solution.side_unit)}" for at in points if at),
        *(f"{bottleneck.metric} is decided by {bottleneck.said}" for bottleneck in solution.bottlenecks),
        *_derivation(solution),
        *([solution.says] if solution.says else []),
    ]
    return indented(lines) + "\n"


def page(solution: Solution) -> Page:
    """Say the answer, both sides around it, what decides and how it was found."""
    around = tuple(
        (measured(point.value, solution.unit), compared(point.left, point.right, solution.side_unit))
        for point in (solution.at, solution.beyond)
        if point is not None
    )
    decided = tuple((bottleneck.metric, bottleneck.said) for bottleneck in solution.bottlenecks)
    return Page(
        head=line(solution),
        blocks=(
            *_where(solution),
            *([TextGrid(columns=(solution.symbol, solution.constraint), rows=around)] if around else []),
            *([TextGrid(columns=("metric", "decided by"), rows=decided)] if decided else []),
            *_derivation(solution),
            *([solution.says] if solution.says else []),
            *warned(solution.warnings),
        ),
    )


def line(solution: Solution) -> str:
    """Say the answer in one line."""
    if solution.value is None:
        return f"every {solution.symbol} that the model allows meets {solution.constraint}"
    value = measured(solution.value, solution.unit)
    return f"{solution.symbol} = {value}: the {solution.sense} that meets {solution.constraint}"


def _where(solution: Solution) -> list[str]:
    """Say all values that meet a constraint where one boundary does not tell, and what is not proven."""
    shown = [_run(run) for run in solution.runs[:_MOST_RUNS]]
    if len(solution.runs) > _MOST_RUNS:
        shown.append(f"in {len(solution.runs) - _MOST_RUNS} more ranges")
    only = "" if solution.looked else ", and nowhere else"
    said = [f"met at {', '.join(shown)}{only}"] if solution.apart else []
    return said + ([looked_text(solution.looked)] if solution.looked else [])


def _run(run: Run) -> str:
    if run.last is None:
        return f"{run.first} and above"
    return str(run.first) if run.first == run.last else f"{run.first} to {run.last}"


def _derivation(solution: Solution) -> list[str]:
    if solution.value is None:
        return list(solution.derivation)
    if not solution.derivation:
        return [f"by {solution.method}"]
    first, *more = solution.derivation
    how = "closed form" if solution.method == "closed form" else "by bisection; on the branch that leads there"
    return [f"{how}: {first}", *more]
