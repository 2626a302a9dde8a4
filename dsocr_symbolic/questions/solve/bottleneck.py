"""What decides a number: the part that makes most of it, and the resource or the memory that it leans on."""

from collections.abc import Sequence

from attrs import frozen

from dsocr_symbolic.algebras import branches
from dsocr_symbolic.algebras.branches import exact
from dsocr_symbolic.evaluation.program import load_program
from dsocr_symbolic.language.expression import names
from dsocr_symbolic.language.registry import Metric, Term, load_metrics
from dsocr_symbolic.questions.capacity import Moment, worst_moment
from dsocr_symbolic.questions.curve import Curve
from dsocr_symbolic.questions.question import Question
from dsocr_symbolic.questions.slope import slope
from dsocr_symbolic.scenario.values import chosen_slots

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
    moment : Moment or None
        Of memory, all that is resident then.
    """

    metric: str
    part: str
    share: float
    resource: str
    resource_name: str
    resource_share: float
    moment: Moment | None = None


def bottleneck(question: Question, metric: str) -> Bottleneck | None:
    """Say what decides a metric of the whole; None where it is no sum of parts and no memory."""
    known = load_metrics()[metric]
    if known.kind == "memory":
        return _memory(question, metric)
    parts = _parts(question, known)
    found = dict(zip(parts, question.metrics(tuple(parts)), strict=True)) if parts else {}
    if not found or not any(found.values()):
        return None
    largest = max(found, key=lambda term: found[term])
    share = float(found[largest] / sum(found.values()))
    (part,) = largest.paths
    if load_metrics()[largest.metric].kind not in _TIMES:
        return Bottleneck(metric=metric, part=part, share=share, resource="", resource_name="", resource_share=0.0)
    resource, resource_share = _resource(question, largest)
    return Bottleneck(
        metric=metric,
        part=part,
        share=share,
        resource=resource,
        resource_name=question.definition.quantities[resource].meaning.partition(" in ")[0],
        resource_share=resource_share,
    )


def rates(question: Question) -> list[str]:
    """Return the machine's symbols that are something per second: what a time can lean on."""
    symbols = question.definition.quantities.items()
    return [name for name, quantity in symbols if quantity.group == "machine" and quantity.unit.endswith("/s")]


def _parts(question: Question, known: Metric) -> Sequence[Term]:
    """Return the terms that make a metric together."""
    stages = [call.name for call in question.definition.stages]
    metric = known.name
    if known.kind == "latency":
        used = names(question.definition.latencies[known.latency])
        stages, metric = [stage for stage in stages if stage in used], known.of
    kind = load_metrics()[metric].kind
    if kind == "bound":
        phases = [path for path in question.definition.phases if path.partition("/")[0] in stages]
        return [Term(paths=(path,), metric=metric) for path in phases]
    return [Term(paths=(stage,), metric=metric) for stage in stages] if kind in ("flow", "time") else []


def _resource(question: Question, term: Term) -> tuple[str, float]:
    """Return the rate that a time, a sum of quotients by rates, leans on most: minus its elasticity in it is its share."""
    shares = {}
    for name in rates(question):
        curve = Curve(question=question, symbol=name, terms=(term,))
        value = exact(question.numbers[name])
        (found,) = curve.metrics(curve.scope(branches.free(name, value), branches), branches)
        time = branches.as_sympy(branches.value_of(found))
        shares[name] = float(-slope(found, name, value).derivative * branches.as_sympy(value) / time) if time else 0.0
    return max(shares.items(), key=lambda each: each[1])


def _memory(question: Question, metric: str) -> Bottleneck:
    definition = question.definition
    program = load_program(definition, chosen_slots(definition, dict(question.model.options)))
    moment = worst_moment(program, question.numbers)
    parts = {
        "weights": moment.weight_bytes,
        "KV": moment.kv_cache_bytes,
        "activations": moment.activation_bytes,
    }
    largest = max(parts, key=lambda name: parts[name])
    return Bottleneck(
        metric=metric,
        part=moment.at,
        share=1.0,
        resource=largest,
        resource_name=largest,
        resource_share=float(parts[largest] / moment.peak_memory_bytes),
        moment=moment,
    )
