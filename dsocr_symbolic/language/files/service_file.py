"""Read formulas/service.yaml: a server in steady state, as systems of formulas with one unknown each."""

import re
from collections.abc import Iterable, Mapping
from functools import cache

from dsocr_symbolic.errors import check_known
from dsocr_symbolic.language.expression import Expression, check_names, parse
from dsocr_symbolic.language.registry import formula_file, load_machine, load_metrics, shared_read
from dsocr_symbolic.language.schema import BLANK, FORMULAS, PROSE, entry, of_symbols, records, structure
from dsocr_symbolic.records import frozen

# What formulas beside the systems may use.
_TOGETHER = ("seconds", "requests", "steps")
_OF_A_REQUEST = ("before", "each", "new_tokens", "running")
_OF_A_PLAN = ("memory_utilisation", "concurrency", "chunk_tokens", "longest_prompt", "longest_new_tokens")
_OF_A_KNEE = ("most_per_s", "alone_s")
_NAME = re.compile(r"[^\W\d]\w*")


@frozen(kw_only=True)
class Input:
    """A number that a server's formulas start from."""

    name: str
    letter: str = entry("letter in print, LaTeX")
    meaning: str = entry("what it means")
    unit: str = entry("unit, as printed; empty for a ratio", default="")


@frozen(kw_only=True)
class Relation:
    """A number that follows from those above it."""

    name: str
    letter: str = entry("letter in print, LaTeX")
    meaning: str = entry("what it means")
    unit: str = entry("unit, as printed; empty for a ratio", default="")
    formula: Expression = entry("what gives it")


@frozen(kw_only=True)
class System:
    """Formulas of a steady state, whose unknown is what they give for it: a fixed point.

    Attributes
    ----------
    ratio, beyond, averages : Expression or None, Expression or None, mapping of str to Relation
        Of a system with states, the chance of a batch over that of one fewer, that of one more request where no more
        may run, and what is averaged over all batches.
    """

    why: str = entry("what it rests on", PROSE)
    unknown: str = entry("the symbol that is found")
    begins: Expression = entry("what it is taken to be at first")
    becomes: Expression = entry("what the others make of it; equal to it where it is found")
    ratio: Expression | None = entry("chance of a batch over that of one fewer", default=None)
    beyond: Expression | None = entry("the same of requests that wait, where as many run as may", default=None)
    averages: Mapping[str, Relation] = entry(
        "means over the time of what is so at each batch, 0 at none", of_symbols(records(Relation)), default=BLANK
    )
    terms: Mapping[str, Relation] = entry("what follows, in order", of_symbols(records(Relation)))


@frozen(kw_only=True)
class Merged:
    """What a forward of a chunk and a decode step saves."""

    bytes: str = entry("metric that grows by a decode step's weights with the bytes of an element")
    element: str = entry("symbol of these bytes")
    saved_s: Expression = entry("seconds, of weight_bytes and the machine")


@frozen(kw_only=True)
class Knee:
    """Up to where the formulas are held against a simulation."""

    busy: float = entry("share of rounds with a chunk")
    load: float = entry("requests per second over the most")
    full: float = entry("share of the time in which as many run as may")
    concurrency: Expression = entry("requests at once where both asymptotes of throughput meet")


@frozen(kw_only=True)
class Fleet:
    """Machines side by side: what they take, cost and draw."""

    inputs: Mapping[str, Input] = entry("what the formulas start from", of_symbols(records(Input)))
    terms: Mapping[str, Relation] = entry("what follows, in order", of_symbols(records(Relation)))


@frozen(kw_only=True)
class HostFeed:
    """What the host does of a page before the engine sees it."""

    why: str = entry("what it rests on", PROSE)
    inputs: Mapping[str, Input] = entry("what the formulas start from", of_symbols(records(Input)))
    terms: Mapping[str, Relation] = entry("what follows, in order", of_symbols(records(Relation)))


@frozen(kw_only=True)
class ServiceFile:
    """A server in steady state."""

    summary: str = entry("what the file is")
    inputs: Mapping[str, Input] = entry("what the formulas start from", of_symbols(records(Input)))
    merged: Merged = entry("a chunk and a decode step in one forward")
    closed: System = entry("as many requests at any time")
    open: System = entry("requests that arrive at random")
    knee: Knee = entry("up to where it holds")
    request: Expression = entry("seconds of a request, of what is before its first token and of each step")
    limits: Mapping[str, Expression] = entry("what they are spent on, of metrics", FORMULAS)
    together: Mapping[str, Expression] = entry("metrics of a batch that begins and ends together", FORMULAS)
    host: HostFeed = entry("what the host does before")
    fleet: Fleet = entry("machines side by side")
    enough: float = entry("share of the most pages that is as good as all")
    engine: Mapping[str, str] = entry("choices that run a network as an engine does")
    launch: Mapping[str, Expression] = entry("flags of an engine's command", FORMULAS)


@cache
def load_service() -> ServiceFile:
    """Read formulas/service.yaml; every name is checked."""
    return shared_read(_read, "service.yaml", "metrics.yaml", "machine.yaml", apart=True)


def _read() -> ServiceFile:
    raw, file = formula_file("service.yaml")
    service = structure(ServiceFile, raw, file)
    for name, system in (("closed", service.closed), ("open", service.open)):
        known = {*service.inputs, system.unknown}
        check_names(f"{file}: {name}: begins", known, system.begins)
        for place, average in system.averages.items():
            check_names(f"{file}: {name}: averages: {place}", known, average.formula)
        check_names(f"{file}: {name}: ratio", known, system.ratio, system.beyond)
        known |= system.averages.keys()
        for place, term in system.terms.items():
            check_names(f"{file}: {name}: terms: {place}", known, term.formula)
            known.add(place)
        check_names(f"{file}: {name}: becomes", known, system.becomes)
    check_names(f"{file}: limits", load_metrics(), *service.limits.values())
    check_known(service.together, load_metrics(), f"{file}: together", "metric")
    check_names(f"{file}: together", {*_TOGETHER, *load_machine()}, *service.together.values())
    check_known([service.merged.bytes], load_metrics(), f"{file}: merged: bytes", "metric")
    check_names(f"{file}: merged: saved_s", {"weight_bytes", *load_machine()}, service.merged.saved_s)
    check_names(f"{file}: request", _OF_A_REQUEST, service.request)
    check_names(f"{file}: launch", _OF_A_PLAN, *service.launch.values())
    check_names(f"{file}: knee: concurrency", _OF_A_KNEE, service.knee.concurrency)
    parts: Mapping[str, Fleet | HostFeed] = {"fleet": service.fleet, "host": service.host}
    for name, part in parts.items():
        known = {*part.inputs}
        for place, term in part.terms.items():
            check_names(f"{file}: {name}: terms: {place}", known, term.formula)
            known.add(place)
    return service


def together(stages: Iterable[str], requests: str, steps: str) -> dict[str, Expression]:
    """Return the formulas of a batch that begins and ends together, by metric, of a network's stages and symbols."""
    stand = {"seconds": f"({' + '.join(stages)})", "requests": requests or "1", "steps": steps or "0"}
    return {
        name: parse(_NAME.sub(lambda word: stand.get(word[0], word[0]), formula.text), name)
        for name, formula in load_service().together.items()
    }
