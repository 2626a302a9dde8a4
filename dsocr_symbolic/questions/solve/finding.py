"""Where a constraint stops to hold along a symbol: in closed form, by bisection, or proven by intervals."""

import math

import sympy
from attrs import evolve

from dsocr_symbolic.algebras import branches
from dsocr_symbolic.algebras.branches import Branch
from dsocr_symbolic.algebras.value import Expr
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.questions.solve import search
from dsocr_symbolic.questions.solve.constraint import left_over
from dsocr_symbolic.questions.solve.problem import Method, Problem, Root, along, roots_of
from dsocr_symbolic.questions.solve.survey import looked_at, survey
from dsocr_symbolic.questions.solve.whole import boundary_of, judged_along
from dsocr_symbolic.scenario.checks import LARGEST

_SHOWN = 6


def find(problem: Problem) -> tuple[search.Boundary, Method]:
    """Find the last value that meets a constraint and the next one, and how; raise where reals do here and there."""
    slack, domain = along(problem)
    problem.curve.check(problem.question.numbers[problem.symbol])
    slack(domain.start)
    if isinstance(domain, search.WholeDomain):
        return _among_whole(problem, slack, domain)
    closed = _in_closed_form(problem, domain)
    if closed is not None:
        return closed, "closed form"
    try:
        return search.find_boundary(slack, domain), "bisection"
    except search.NotMonotoneError as error:
        seen = ", ".join(f"{float(slack):.{_SHOWN}g} at {value:.{_SHOWN}g}" for value, slack in error.points)
        raise UserError(
            f"{problem.constraint.text}: not monotone in {problem.symbol} (what is left over is {seen}): "
            "no one value answers it; hold what else moves, or look at values one by one"
        ) from error


def _among_whole(problem: Problem, slack: search.Slack, domain: search.WholeDomain) -> tuple[search.Boundary, Method]:
    """Find where whole numbers meet a constraint: proven by intervals, or value by value where that proves nothing."""
    judged = judged_along(problem, slack, domain.allowed)
    roots = _roots_inside(problem, domain)
    stretches, looked = looked_at(judged, survey(judged, domain.least, LARGEST))
    if len(stretches) == 1 and stretches[0].first == stretches[0].last:
        _refuse_no_freedom(problem, stretches[0].first)
    # Of one form and one root all changes are known.
    closed = roots is not None and len(roots) <= 1
    boundary = evolve(boundary_of(stretches, slack, judged), looked=None if closed else looked)
    return boundary, "closed form" if closed else "bisection"


def _refuse_no_freedom(problem: Problem, only: int) -> None:
    """Refuse a symbol that rules hold at one value."""
    for value in (only + 1, only - 1):
        try:
            problem.curve.check(value)
        except UserError as error:
            raise UserError(f"{problem.symbol}: no other value than {only} is allowed here ({error})") from error


def _roots_inside(problem: Problem, domain: search.Domain) -> list[Root] | None:
    """Return where both sides are equal, from the least value up; None where no form of low degree holds for all."""
    difference = left_over(problem.constraint, problem.forms(domain.start))
    if not isinstance(difference, Branch):
        return []
    most = domain.most if isinstance(domain, search.RealDomain) else LARGEST
    roots = None if difference.decided else roots_of(difference.form, branches.unknown(problem.symbol))
    return None if roots is None else [root for root in roots if domain.least <= root.value <= most]


def _in_closed_form(problem: Problem, domain: search.RealDomain) -> search.Boundary | None:
    """Return the boundary at the only root, or that all values are good; None where it takes a search."""
    roots = _roots_inside(problem, domain)
    if roots is None:
        return None
    if not roots and problem.slack(domain.start) >= 0:
        return search.Boundary(sense="every", value=None, beyond=None)
    if len(roots) != 1:
        return None
    low, high = _around(roots[0].value)
    if problem.slack(low) == 0 and problem.slack(high) >= 0:
        low, high = math.nextafter(low, -math.inf), low
    met = problem.slack(low) >= 0
    if met == (problem.slack(high) >= 0):
        return None
    return search.Boundary(
        sense="largest" if met else "smallest", value=low if met else high, beyond=high if met else low
    )


def _around(root: Expr) -> tuple[float, float]:
    """Return the float64 at or below a root, and the next one."""
    near = float(root)
    if sympy.Rational(repr(near)) > root:
        near = math.nextafter(near, -math.inf)
    return near, math.nextafter(near, math.inf)
