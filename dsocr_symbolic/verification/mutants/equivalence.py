"""Whether a mutant of an operator or a layer is the formula itself: the same expressions, or equal on random draws."""

from collections.abc import Callable, Iterator, Mapping
from functools import cache, lru_cache
from itertools import product
from random import Random
from types import ModuleType
from typing import Any

from attrs import evolve, frozen

from dsocr_symbolic.algebras import arithmetic, symbolic
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.formula import Library
from dsocr_symbolic.language.library import load_library
from dsocr_symbolic.language.lookup import default_definition, definition_of
from dsocr_symbolic.language.model_parts import Choice
from dsocr_symbolic.language.registry import load_metrics
from dsocr_symbolic.network.builder import build_tree, trained_tree
from dsocr_symbolic.network.fold import Fold
from dsocr_symbolic.network.leaves import Whole, leaves_of
from dsocr_symbolic.network.node import walk
from dsocr_symbolic.scenario.checks import check_rules
from dsocr_symbolic.scenario.crop_grids import all_grids
from dsocr_symbolic.scenario.hardware import load_gpu
from dsocr_symbolic.scenario.origins import origins
from dsocr_symbolic.scenario.values import Resolver, choose, chosen_slots
from dsocr_symbolic.verification.expectations.facts import once
from dsocr_symbolic.verification.mutants.counting import WRONG, used

DRAWS, DRAWS_OF_CALLERS, NEAREST = 1000, 3, 4
# Pages and networks that calls are drawn from: each calls a formula in many places.
_NETWORKS = 250
_MOST = 4
# Draws that are kept: those of a formula, of its callers and of where the network calls it, not of all that were tried.
_KEPT = 4 * DRAWS
_KINDS = ("flow", "stock", "boundary", "peak")
Draw = Callable[[Random], tuple[Mapping[str, Any], Mapping[str, str]]]


_machine = cache(load_gpu)


@cache
def _model() -> Definition:
    return default_definition(None)


@frozen(kw_only=True, eq=False)
class World:
    """What is evaluated, and how its symbols are drawn: values, and formulas for slots."""

    definition: Definition
    draw: Draw


def equivalent(changed: Library, callers: tuple[str, ...], draws: int = DRAWS) -> str:
    """Say where a mutant is equal on all draws: ``alone``, as part of the ``network``, or nowhere: empty.

    ``callers`` are the formula itself and those that call it, nearest first. Alone it must agree in them, too.
    """
    for place, name in enumerate(callers[:NEAREST]):
        # What are the same expressions are equal wherever they are evaluated.
        if place == 0 and _identical(name, changed):
            continue
        if not _equal(_alone(name), changed, draws if place == 0 else DRAWS_OF_CALLERS):
            break
    else:
        return "alone"
    world = _network(callers)
    if not world.definition.stages:
        return ""
    alone = [(_called(callers[0]), draws)] if _is_closed(callers[0]) else []
    places = [*alone, (world, DRAWS_OF_CALLERS if alone else draws)]
    return "network" if all(_equal(world, changed, count) for world, count in places) else ""


def _equal(world: World, changed: Library, draws: int) -> bool:
    tried = 0
    for seed in range(_MOST * draws):
        if tried == draws:
            break
        before = _before(world, seed)
        if before is None:
            continue
        tried += 1
        try:
            if _signature(world.definition, changed, *_drawn(world, seed)) != before:
                return False
        except WRONG:
            return False
    # Draws at which the formula itself has no value show nothing.
    return tried == draws


@lru_cache(_KEPT)
def _drawn(world: World, seed: int) -> tuple[Mapping[str, Any], Mapping[str, str]]:
    return world.draw(Random(seed))  # noqa: S311 - draws, no secrets


@lru_cache(_KEPT)
def _before(world: World, seed: int) -> list[Any] | None:
    """Return what the formula itself says at a draw, None where it has no value."""
    try:
        return _signature(world.definition, load_library(), *_drawn(world, seed))
    except WRONG:
        return None


def _identical(name: str, changed: Library) -> bool:
    """Say whether every count is the same expression, whatever the choices put into slots."""
    try:
        return all(_expressions(name, changed, slots) == known for slots, known in _known(name))
    except WRONG:
        return False


@cache
def _known(name: str) -> list[tuple[Mapping[str, str], list[Any]]]:
    """Return the formula's own expressions, each with what choices put into the slots at or below it."""
    own = _slots(name)
    # What fills no slot changes no expression.
    choices = {name: choice.options for name, choice in _model().choices.items() if _fills(choice)}
    options = [dict(zip(choices, option, strict=True)) for option in product(*choices.values())]
    filled = [chosen_slots(_model(), choose(_model(), option)) for option in options]
    distinct = {tuple((slot, formula) for slot, formula in slots.items() if slot in own): slots for slots in filled}
    return [(slots, _expressions(name, load_library(), slots)) for slots in distinct.values()]


def _fills(choice: Choice) -> bool:
    return any(option.slots for option in choice.options.values())


def _slots(name: str) -> set[str]:
    """Return the slots at or below a formula."""
    library = load_library()
    reached = [name]
    for formula in reached:
        reached += sorted(used(library[formula]) & library.formulas.keys() - {*reached})
    calls = (call for formula in reached for call in getattr(library[formula], "calls", ()))
    return {call.use[1:] for call in calls if call.use.startswith("$")}


def _expressions(name: str, library: Library, slots: Mapping[str, str]) -> list[Any]:
    definition = _alone(name).definition
    free = {symbol: symbolic.symbol(symbol) for symbol in definition.quantities}
    return _signature(definition, library, free, slots, symbolic)


def _signature(
    definition: Definition,
    library: Library,
    values: Mapping[str, Any],
    slots: Mapping[str, str],
    algebra: ModuleType = arithmetic,
) -> list[Any]:
    """Return every count of every stage, and bytes and launches of each aten operator."""
    tree = trained_tree(library, definition.stages, values, slots, algebra, tied=definition.tied)
    fold = Fold(leaves_of(tree, whole=Whole(definition=definition, stages=tree), algebra=algebra))
    counted = [name for name, metric in load_metrics().items() if metric.kind in _KINDS]
    by_aten: dict[str, Any] = {}
    columns = (fold.leaves.columns[name] for name in ("forward_io_bytes", "operator_launches"))
    for row, moved, launches in zip(fold.leaves.rows, *columns, strict=True):
        before = by_aten.get(row.aten, (0, 0))
        by_aten[row.aten] = (before[0] + moved, before[1] + launches)
    return [by_aten, *([fold.column(name)[stage] for stage in (0, *fold.below[0])] for name in counted)]


@cache
def _alone(name: str) -> World:
    """Draw every symbol of a formula by itself."""
    definition = definition_of(_model(), load_library()[name])
    names = [str(name) for name in definition.stages[0].given]

    def draw(random: Random) -> tuple[Mapping[str, Any], Mapping[str, str]]:
        values, slots = _common(definition, random)
        return {**values, **{name: random.randint(0 if random.random() < 0.1 else 1, 24) for name in names}}, slots  # noqa: PLR2004

    return World(definition=definition, draw=draw)


def _common(definition: Definition, random: Random) -> tuple[dict[str, Any], Mapping[str, str]]:
    """Draw options, bytes of elements and costs of functions; everything else is what the files say."""
    options = {name: random.choice(list(choice.options)) for name, choice in definition.choices.items()}
    options["activation-dtype"] = "bf16"
    gpu = _machine(definition.default_gpu)
    resolver = Resolver(definition, origins(definition, options, {}, gpu), gpu)
    values = {name: resolver.value(name) for name in definition.quantities}
    costs = {name: random.randint(1, 9) for name in values if name.startswith("flops_per_")}
    widths = {name: random.choice((1, 2, 4)) for name in ("weight", "kv")}
    return {**values, **costs, **widths}, chosen_slots(definition, options)


def _is_closed(name: str) -> bool:
    """Say whether a formula is the same whoever calls it: it has no slot that a caller could fill."""
    return not any(call.use.startswith("$") for call in getattr(load_library()[name], "calls", ()))


@cache
def _called(name: str) -> World:
    """Draw what the network calls a formula with, wherever it runs."""
    definition = definition_of(_model(), load_library()[name])

    def draw(random: Random) -> tuple[Mapping[str, Any], Mapping[str, str]]:
        values, slots, given = _calls(random.randrange(_NETWORKS))
        return {**values, **random.choice(given[name])}, slots

    return World(definition=definition, draw=draw)


@cache
def _calls(seed: int) -> tuple[Mapping[str, Any], Mapping[str, str], Mapping[str, list[Mapping[str, Any]]]]:
    """Return a draw of the network, and what it calls every formula with there."""
    whole = _model()
    values, slots = _network(tuple(call.use for call in whole.stages)).draw(Random(seed))  # noqa: S311 - draws, no secrets
    stages = tuple(map(once, whole.stages))
    given: dict[str, list[Mapping[str, Any]]] = {}
    for node in walk(build_tree(load_library(), stages, values, slots, arithmetic)):
        if node.calls and node.given not in given.setdefault(node.formula.name, []):
            given[node.formula.name].append(node.given)
    return values, slots, given


@cache
def _network(callers: tuple[str, ...]) -> World:
    """Draw the network's sizes and pages within its rules; one decode step."""
    whole = _model()
    stages = tuple(once(call) for call in whole.stages if call.use in callers)
    definition = evolve(whole, stages=stages, phases=())
    own = [name for name, known in whole.quantities.items() if known.group in ("constant", "workload", "derived")]

    def draws(random: Random) -> Iterator[tuple[Mapping[str, Any], Mapping[str, str]]]:
        while True:
            columns, rows = random.choice([(0, 0), *all_grids()])
            settings = {
                "batch": random.randint(1, 4),
                "text_tokens": random.randint(0, 40),
                "base_size": 64 * random.randint(1, 20),
                "image_size": 64 * random.randint(1, 12),
                "crop_columns": columns,
                "crop_rows": rows,
                "new_tokens": 1,
            }
            values, slots = _common(whole, random)
            gpu = _machine(whole.default_gpu)
            resolver = Resolver(whole, origins(whole, choose(whole, {}), settings, gpu), gpu)
            values |= {name: resolver.value(name) for name in own}
            try:
                check_rules(whole.rules, {**values, **resolver.m_values}, frozenset())
            except UserError:
                continue
            yield {**values, "step": 1}, slots

    return World(definition=definition, draw=lambda random: next(draws(random)))
