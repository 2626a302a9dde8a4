"""A solution in words for a terminal."""

from dsocr_symbolic.questions.question import Question
from dsocr_symbolic.questions.solve.solution import Point, Solution
from dsocr_symbolic.questions.solve.wording import decides
from dsocr_symbolic.writing.amounts import compared, measured
from dsocr_symbolic.writing.notebook import Grid, Page
from dsocr_symbolic.writing.terminal import indented


def solution_text(question: Question, solution: Solution) -> str:
    """Print a solution: the answer, both sides around it, what decides, how it was found.

    Parameters
    ----------
    question : Question
        What was asked about.
    solution : Solution
        The answer.

    Returns
    -------
    str
        Lines.
    """
    # Beside a real number stands the next float64, which tells nothing.
    points = [each for each in (solution.at, solution.beyond) if each is not None and isinstance(solution.value, int)]
    lines = [
        _head(solution),
        question.heading(),
        *(_point(solution, each) for each in points),
        *(f"{each.metric} is decided by {decides(each)}" for each in solution.bottlenecks),
        *_derivation(solution),
        *([solution.says] if solution.says else []),
    ]
    return indented(lines) + "\n"


def line(solution: Solution) -> str:
    """Say the answer in one line."""
    return _head(solution)


def page(solution: Solution) -> Page:
    """Say the answer, both sides around it, what decides and how it was found."""
    around = tuple(
        (measured(point.value, solution.unit), compared(point.left, point.right, solution.side_unit))
        for point in (solution.at, solution.beyond)
        if point is not None
    )
    decided = tuple((each.metric, decides(each)) for each in solution.bottlenecks)
    return Page(
        head=_head(solution),
        blocks=(
            *([Grid(columns=(solution.symbol, solution.constraint), rows=around)] if around else []),
            *([Grid(columns=("metric", "decided by"), rows=decided)] if decided else []),
            *_derivation(solution),
            *([solution.says] if solution.says else []),
        ),
    )


def _head(solution: Solution) -> str:
    if solution.value is None:
        return f"every {solution.symbol} that the model allows meets {solution.constraint}"
    value = measured(solution.value, solution.unit)
    return f"{solution.symbol} = {value}: the {solution.sense} that meets {solution.constraint}"


def _point(solution: Solution, point: Point) -> str:
    return f"at {measured(point.value)}: {compared(point.left, point.right, solution.side_unit)}"


def _derivation(solution: Solution) -> list[str]:
    if solution.value is None:
        return list(solution.derivation)
    if not solution.derivation:
        return [f"by {solution.method}"]
    first, *more = solution.derivation
    how = "closed form" if solution.method == "closed form" else "by bisection; on the branch that leads there"
    return [f"{how}: {first}", *more]
