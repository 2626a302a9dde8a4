"""The network as JavaScript: what the fold adds up, written down once for each way to fill the slots of choices."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import product
from math import prod
from typing import Any

import sympy
from attrs import asdict

from dsocr_symbolic.evaluation.program import recalled
from dsocr_symbolic.explorer import recorded
from dsocr_symbolic.explorer.instructions import Instructions
from dsocr_symbolic.explorer.javascript import factory
from dsocr_symbolic.explorer.recorded import Book
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.registry import load_metrics
from dsocr_symbolic.network.fold import Fold, columns_of, is_detail
from dsocr_symbolic.network.leaves import Whole, leaves_of
from dsocr_symbolic.network.model_tree import model_tree
from dsocr_symbolic.network.rows import BESIDE, FIRST, LAST, OWN, SAVED, STOCKS, Leaves
from dsocr_symbolic.network.timeline import CALLS
from dsocr_symbolic.paths import PACKAGE
from dsocr_symbolic.scenario.values import choose, chosen_slots

# A page has at most so many programs, or it were larger than a megabyte.
_MOST_VARIANTS = 8
# What is shown of every node; the whole and the stages have every metric.
OF_NODES = (
    "forward_tensor_core_flops",
    "forward_cuda_core_flops",
    "forward_io_bytes",
    "operator_launches",
    "device_s",
    "roofline_s",
    "forward_weight_bytes",
    "forward_activation_bytes",
)


def kept_choices(definition: Definition) -> dict[str, list[str]]:
    """Return the choices that fill slots, as many as a page can hold: those that no config.json decides first.

    A further one stays at its default: each way to fill slots is a program of its own.
    """
    by_config = {name for by_value in definition.choose.values() for chosen in by_value.values() for name in chosen}
    kept: dict[str, list[str]] = {}
    for name in sorted(filling_choices(definition), key=lambda name: name in by_config):
        options = list(definition.choices[name].options)
        if prod([len(options), *map(len, kept.values())]) <= _MOST_VARIANTS:
            kept[name] = options
    return {name: kept[name] for name in definition.choices if name in kept}


def filling_choices(definition: Definition) -> list[str]:
    """Return the choices whose options fill slots."""
    return [
        name for name, choice in definition.choices.items() if any(option.slots for option in choice.options.values())
    ]


def variants(definition: Definition) -> dict[str, dict[str, str]]:
    """Return the ways to fill slots: options of the choices that do, joined, and what stands in each slot."""
    kept = kept_choices(definition)
    found = {}
    for options in product(*kept.values()):
        chosen = choose(definition, dict(zip(kept, options, strict=True)))
        found[" ".join(options)] = chosen_slots(definition, chosen)
    return found


def programs(definition: Definition, only: Collection[str] = ()) -> dict[str, Any]:
    """Return the program of each variant, or of some, from the cache where nothing changed."""
    code = sorted((PACKAGE / "explorer").glob("*.py"))

    def program(name: str, slots: Mapping[str, str]) -> Any:
        return recalled(definition, ["explorer", name, *code], lambda: _program(definition, slots))

    return {name: program(name, slots) for name, slots in variants(definition).items() if not only or name in only}


def _program(definition: Definition, slots: Mapping[str, str]) -> dict[str, Any]:
    """Write a variant down: its rows, the symbols it needs, and the function from their values to all outputs."""
    book = Book()
    fold = _recorded_fold(definition, slots, book)
    rows = fold.leaves.rows
    below = fold.below
    every = [metric.name for metric in load_metrics().values()]
    whole = [0, *below[0]]
    outputs: list[Any] = []
    for name in every:
        column = fold.column(name)
        outputs += [column[row] for row in whole]
    for name in (*OF_NODES, CALLS, FIRST, LAST):
        column = fold.leaves.columns[name] if name in (CALLS, FIRST, LAST) else fold.column(name)
        outputs += list(column)
    return {
        "rows": [asdict(row) for row in rows],
        **_function(book, outputs, list(definition.quantities)),
    }


def _recorded_fold(definition: Definition, slots: Mapping[str, str], book: Book) -> Fold:
    """Fold the network's leaves in the recording algebra, compulsory bytes and the training step too."""
    instructions = Instructions(book)
    plain, training = (_leaves(definition, slots, training=training) for training in (False, True))
    columns = {
        name: [instructions.part(sympy.sympify(value)) for value in leaves.columns[name]]
        for leaves in (plain, training)
        for name in _columns(details=leaves is training)
    }
    return Fold(
        Leaves(
            rows=plain.rows,
            columns=columns,
            members={
                **{name: plain.members[name] for name in (STOCKS, BESIDE, OWN)},
                SAVED: training.members[SAVED],
            },
            phases=plain.phases,
            latencies=definition.latencies,
            scope={name: book.symbol(name) for name in definition.quantities},
            algebra=recorded,
            uncounted=definition.uncounted,
        )
    )


def _leaves(definition: Definition, slots: Mapping[str, str], *, training: bool) -> Leaves:
    stages = model_tree(definition, slots, training=training)
    return leaves_of(stages, whole=Whole(definition=definition, stages=stages))


def _columns(*, details: bool) -> list[str]:
    metrics = (metric for metric in load_metrics().values() if is_detail(metric) == details)
    columns = dict.fromkeys(name for metric in metrics for name in columns_of(metric))
    return [*columns, *(() if details else (name for name in (CALLS, FIRST, LAST) if name not in columns))]


def _function(book: Book, outputs: Sequence[Any], symbols: Iterable[str]) -> dict[str, Any]:
    """Print the function, and the symbols whose values it takes."""
    used = {instruction[1] for instruction in book.instructions if instruction[0] == "symbol"}
    names = [name for name in symbols if name in used]
    return {
        "symbols": names,
        "source": factory(book, outputs, {name: f"v[{place}]" for place, name in enumerate(names)}),
    }
