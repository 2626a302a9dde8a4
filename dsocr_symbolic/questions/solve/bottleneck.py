"""What decides a number: the part that makes most of it, and the resource or the memory that it leans on."""

from collections.abc import Sequence

from attrs import evolve, frozen

from dsocr_symbolic.algebras.branches import exact
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.evaluation.answer import scenario_program
from dsocr_symbolic.evaluation.terms import expression_of
from dsocr_symbolic.language.expression import names
from dsocr_symbolic.language.registry import Term, load_metrics
from dsocr_symbolic.language.time_formula import is_bound
from dsocr_symbolic.questions.capacity import PeakMoment, worst_moment
from dsocr_symbolic.questions.curve import Curve
from dsocr_symbolic.questions.question import Question
from dsocr_symbolic.writing.amounts import scaled

_TIMES = ("time", "bound")


@frozen(kw_only=True)
class Bottleneck:
    """What decides a metric.

    Attributes
    ----------
    metric, part : str
        The metric, and the path of what makes most of it.
    share : float
        How much of the metric that is.
    resource, resource_name : str
        The machine's number that it leans on, and what that is; of memory ``weights``, ``KV`` or ``activations``;
        empty for plain counts.
    resource_share : float
        How much of the part leans on it.
    moment : PeakMoment or None
        Of memory, all that is resident then.
    """

    metric: str
    part: str
    share: float
    resource: str = ""
    resource_name: str = ""
    resource_share: float = 0.0
    moment: PeakMoment | None = None

    @property
    def said(self) -> str:
        """What decides, in words."""
        if self.moment is not None:
            parts = sorted(self.moment.parts.items(), key=lambda part: -part[1])
            sizes = ", ".join(f"{name} {scaled(size, 'B')}" for name, size in parts)
            return f"{self.resource_name} at {self.part} ({sizes})"
        share = "" if self.share == 1 else f" ({self.share:.0%} of it)"
        leans = f", there by {self.resource_name} ({self.resource_share:.0%})" if self.resource else ""
        return f"{self.part}{share}{leans}"


def bottleneck(question: Question, metric: str) -> Bottleneck | None:
    """Say what decides a metric of the whole; None where it is no sum of parts and no memory."""
    if load_metrics()[metric].kind == "memory":
        return _memory(question, metric)
    parts = [term for term in _parts(question, metric) if _exists(question, term)]
    sizes = dict(zip(parts, question.metrics(tuple(parts)), strict=True)) if parts else {}
    if not any(sizes.values()):
        return None
    largest = max(sizes, key=lambda term: sizes[term])
    decided = Bottleneck(metric=metric, part=largest.paths[0], share=float(sizes[largest] / sum(sizes.values())))
    if load_metrics()[largest.metric].kind not in _TIMES:
        return decided
    resource, share = _resource(question, largest)
    name = question.definition.quantities[resource].meaning.partition(" in ")[0]
    return evolve(decided, resource=resource, resource_name=name, resource_share=share)


def rates(question: Question, *, bound: bool = False) -> list[str]:
    """Return the machine's symbols that are something per second: what a time can lean on, or a bound."""
    known = question.definition.quantities.items()
    per_second = ((name, each) for name, each in known if each.group == "machine" and each.unit.endswith("/s"))
    return [name for name, quantity in per_second if bool(quantity.in_bounds_for) == bound]


def _parts(question: Question, metric: str) -> Sequence[Term]:
    """Return the terms that make a metric together."""
    known = load_metrics()[metric]
    stages = [call.name for call in question.definition.stages]
    if known.kind == "latency":
        used = names(question.definition.latencies[known.latency])
        stages, metric = [stage for stage in stages if stage in used], known.of
    kind = load_metrics()[metric].kind
    if kind == "bound":
        paths = (path for phase in question.definition.phases for path in phase)
        stages = [path for path in paths if path.partition("/")[0] in stages]
    return [Term(paths=(path,), metric=metric) for path in stages] if kind in ("flow", "time", "bound") else []


def _exists(question: Question, term: Term) -> bool:
    """Whether a part has a metric: what takes no part in a training step has nothing of it."""
    try:
        expression_of(question.model, term)
    except UserError:
        return False
    return True


def _resource(question: Question, term: Term) -> tuple[str, float]:
    """Return the rate that a time leans on most.

    A time is a sum of quotients by rates, so that minus its elasticity in a rate is the share that this rate decides.
    """
    shares = {}
    for name in rates(question, bound=is_bound(term.metric)):
        value = exact(question.numbers[name])
        time = Curve(question=question, symbol=name, terms=(term,)).slope(value)
        shares[name] = float(-time.slope * value / time.value) if time.value else 0.0
    return max(shares.items(), key=lambda share: share[1])


def _memory(question: Question, metric: str) -> Bottleneck:
    moment = worst_moment(scenario_program(question.scenario), question.numbers)
    largest, size = max(moment.parts.items(), key=lambda part: part[1])
    return Bottleneck(
        metric=metric,
        part=moment.label,
        share=1.0,
        resource=largest,
        resource_name=largest,
        resource_share=float(size / moment.peak_memory_bytes),
        moment=moment,
    )
