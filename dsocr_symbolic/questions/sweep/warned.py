"""What the model file warns of at the points of a sweep."""

from collections import Counter

from dsocr_symbolic.evaluation.kernel import deserves_warning, find_warnings
from dsocr_symbolic.questions.sweep.boxes import boxes
from dsocr_symbolic.questions.sweep.plan import SweepPlan


def warnings_along(plan: SweepPlan, stop: int | None = None) -> list[str]:
    """Say it of all points, or of those up to ``stop``: the first one that deserves each warning, and how many do."""
    first: dict[str, str] = {}
    counts: Counter[str] = Counter()
    points = plan.count if stop is None else min(plan.count, stop)
    for start, end in plan.blocks():
        if start >= points:
            break
        spread = (grid for spans in boxes(start, min(end, points), plan.shape) for grid in plan.grids(spans))
        if not any(deserves_warning(function, inputs) for function, inputs, _ in spread):
            continue
        places = plan.places(start, min(end, points))
        for function, where in plan.combinations(places):
            for rule, said, place, count in find_warnings(function, plan.inputs(places, where)):
                along = [axis[where] for axis in places]
                first.setdefault(rule.say, f"{said}, at {plan.shown(along, place)}" if plan.axes else said)
                counts[rule.say] += count
    return [f"{text} ({counts[key]:,} of {points:,} points)" for key, text in first.items()]
