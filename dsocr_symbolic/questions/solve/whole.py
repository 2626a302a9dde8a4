"""A constraint among whole numbers: what intervals say of it, and the answer that its stretches make."""

from collections.abc import Callable, Sequence
from functools import partial

from dsocr_symbolic.algebras import spans
from dsocr_symbolic.algebras.spans import Span, between
from dsocr_symbolic.language.expression import evaluate
from dsocr_symbolic.language.rules import Rule
from dsocr_symbolic.questions.solve.constraint import Sides, left_over
from dsocr_symbolic.questions.solve.problem import Problem
from dsocr_symbolic.questions.solve.search import Boundary, Run, Slack
from dsocr_symbolic.questions.solve.survey import Ends, Judged, Judgement, Stretch, TooFarError, next_allowed
from dsocr_symbolic.scenario.checks import LARGEST

_CERTAIN = 0.5
# A run that ends above it goes on as far as values do.
_ENDLESS = LARGEST // 2
_SAMPLES, _ROUNDS = 64, 3


def judged_along(problem: Problem, slack: Slack, allowed: Callable[[int], bool]) -> Judged:
    """Say how ranges and values of a problem's symbol are judged."""

    def decide(value: int) -> Judgement:
        if not allowed(value):
            return Judgement.BARRED
        return Judgement.MET if slack(value) >= 0 else Judgement.UNMET

    rules = [
        rule for rule in problem.question.definition.rules if rule.waived_by not in problem.question.scenario.waived
    ]
    return Judged(judge=partial(_judge, problem, rules), bars=partial(_bars, problem, rules), decide=decide)


def _bars(problem: Problem, rules: Sequence[Rule], ranges: Sequence[Ends]) -> Sequence[Judgement]:
    scope = problem.curve.scope(_along(ranges), spans)
    kept = [evaluate(rule.require, scope, spans) for rule in rules]
    # 1 where a rule is kept, 0 where it is broken.
    broken = [spans.below(keeps, _CERTAIN, len(ranges)) for keeps in kept]
    return [Judgement.BARRED if any(bars) else Judgement.OPEN for bars in zip(*broken, strict=True)]


def _judge(problem: Problem, rules: Sequence[Rule], ranges: Sequence[Ends]) -> Sequence[Judgement]:
    verdicts = _bars(problem, rules, ranges)
    sides: Sides = problem.sides(_along(ranges), spans)
    over = spans.span(left_over(problem.constraint, sides))
    met, unmet = spans.signs(over, spans.noise(*sides), len(ranges))
    return [
        verdict
        if verdict == Judgement.BARRED
        else Judgement.MET
        if good
        else Judgement.UNMET
        if bad
        else Judgement.OPEN
        for verdict, good, bad in zip(verdicts, met, unmet, strict=True)
    ]


def _along(ranges: Sequence[Ends]) -> Span:
    return between([low for low, _ in ranges], [high for _, high in ranges])


def boundary_of(stretches: Sequence[Stretch], slack: Slack, judged: Judged) -> Boundary:
    """Return the largest value that meets a constraint, the smallest one where there is no largest."""
    met = [stretch for stretch in stretches if stretch.verdict == Judgement.MET]
    runs = tuple(Run(first=stretch.first, last=stretch.last) for stretch in met)
    if not met:
        return Boundary(sense="none", value=_closest(stretches, slack, judged), beyond=None)
    if len(stretches) == 1:
        return Boundary(sense="every", value=None, beyond=None)
    place = stretches.index(met[-1])
    if place + 1 < len(stretches):
        apart = stretches[0].verdict != Judgement.MET or len(met) > 1
        beyond = stretches[place + 1].first
        return Boundary(sense="largest", value=met[-1].last, beyond=beyond, runs=runs, apart=apart)
    if met[-1].last > _ENDLESS:
        runs = (*runs[:-1], Run(first=runs[-1].first, last=None))
    place = stretches.index(met[0])
    beyond = stretches[place - 1].last if place else stretches[place + 1].first
    return Boundary(sense="smallest", value=met[0].first, beyond=beyond, runs=runs, apart=len(met) > 1)


def _closest(stretches: Sequence[Stretch], slack: Slack, judged: Judged) -> int:
    """Return the value that comes closest to meeting a constraint, as far as samples tell."""
    low, high = stretches[0].first, stretches[-1].last
    best = max((low, high), key=slack)
    for _ in range(_ROUNDS):
        samples = sorted({*_samples(judged, low, high), low, high, best})
        best = max(samples, key=slack)
        place = samples.index(best)
        low, high = samples[max(place - 1, 0)], samples[min(place + 1, len(samples) - 1)]
    return best


def _samples(judged: Judged, low: int, high: int) -> Sequence[int]:
    """Return allowed values between two, closer together where they are smaller."""
    found = []
    for place in range(_SAMPLES):
        ahead = round((high - low + 1) ** (place / _SAMPLES)) - 1
        try:
            value = next_allowed(judged, min(low + ahead, high), high)
        except TooFarError:
            continue
        if value is not None:
            found.append(value)
    return found
