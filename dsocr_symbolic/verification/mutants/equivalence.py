"""Whether a mutant of an operator or a layer is the formula itself: equal on random draws of its symbols."""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from random import Random
from typing import Any

from attrs import evolve, frozen

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.formula import ONE, Repeat
from dsocr_symbolic.language.library import Library, load_library
from dsocr_symbolic.language.lookup import default_definition, definition_of
from dsocr_symbolic.language.registry import load_metrics
from dsocr_symbolic.network.builder import trained_tree
from dsocr_symbolic.network.fold import Fold
from dsocr_symbolic.network.leaves import Whole, leaves_of
from dsocr_symbolic.scenario.checks import check_rules
from dsocr_symbolic.scenario.crop_grids import all_grids
from dsocr_symbolic.scenario.hardware import load_gpu
from dsocr_symbolic.scenario.origins import origins
from dsocr_symbolic.scenario.values import Resolver, choose, chosen_slots

DRAWS, DRAWS_OF_CALLERS, NEAREST = 1000, 5, 4
_MOST = 4
_KINDS = ("flow", "stock", "boundary", "peak")
_WRONG = (UserError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError, RecursionError)
Draw = Callable[[Random], tuple[Mapping[str, Any], Mapping[str, str]]]


_machine = cache(load_gpu)


@cache
def _model() -> Definition:
    return default_definition(None)


@frozen(kw_only=True)
class World:
    """What is evaluated, and how its symbols are drawn: values, and formulas for slots."""

    definition: Definition
    draw: Draw


def equivalent(changed: Library, callers: tuple[str, ...], draws: int = DRAWS) -> str:
    """Say where a mutant is equal on all draws: ``alone``, as part of the ``network``, or nowhere: empty.

    ``callers`` are the formula itself and those that call it, nearest first. Alone it must agree in them, too.
    """
    library = load_library()
    for place, name in enumerate(callers[:NEAREST]):
        world = _alone(definition_of(_model(), library[name]))
        if not _equal(world, library, changed, draws if place == 0 else DRAWS_OF_CALLERS):
            break
    else:
        return "alone"
    world = _network(callers)
    return "network" if world.definition.stages and _equal(world, library, changed, draws) else ""


def _equal(world: World, library: Library, changed: Library, draws: int) -> bool:
    tried = 0
    for seed in range(_MOST * draws):
        if tried == draws:
            break
        values, slots = world.draw(Random(seed))  # noqa: S311 - draws, no secrets
        try:
            before = _signature(world.definition, library, values, slots)
        except _WRONG:
            continue
        tried += 1
        try:
            if _signature(world.definition, changed, values, slots) != before:
                return False
        except _WRONG:
            return False
    # Draws at which the formula itself has no value show nothing.
    return tried == draws


def _signature(
    definition: Definition, library: Library, values: Mapping[str, Any], slots: Mapping[str, str]
) -> list[Any]:
    """Return every count of every stage, and bytes and launches of each aten operator."""
    tree = trained_tree(library, definition.stages, values, slots, arithmetic, tied=definition.tied)
    fold = Fold(leaves_of(tree, whole=Whole(definition=definition, stages=tree), algebra=arithmetic))
    counted = [name for name, metric in load_metrics().items() if metric.kind in _KINDS]
    by_aten: dict[str, Any] = {}
    columns = (fold.leaves.columns[name] for name in ("forward_io_bytes", "operator_launches"))
    for row, moved, launches in zip(fold.leaves.rows, *columns, strict=True):
        before = by_aten.get(row.aten, (0, 0))
        by_aten[row.aten] = (before[0] + moved, before[1] + launches)
    return [by_aten, *([fold.column(name)[stage] for stage in (0, *fold.below[0])] for name in counted)]


def _alone(definition: Definition) -> World:
    """Draw every symbol of a formula by itself."""
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


def _network(callers: tuple[str, ...]) -> World:
    """Draw the network's sizes and pages within its rules; one decode step."""
    whole = _model()
    reached = tuple(call for call in whole.stages if call.use in callers)
    stages = tuple(evolve(call, repeat=Repeat(copies=ONE, calls=ONE)) for call in reached)
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
                check_rules(whole, {**values, **resolver.m_values}, frozenset())
            except UserError:
                continue
            yield {**values, "step": 1}, slots

    return World(definition=definition, draw=lambda random: next(draws(random)))
