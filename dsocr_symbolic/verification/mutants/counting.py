"""The counts that tell mutants of operators and layers apart, and what formulas give beside them."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from itertools import chain, compress
from typing import Any

from attrs import frozen

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.expression import evaluate
from dsocr_symbolic.language.formula import Formula, Layer, Library, Operator
from dsocr_symbolic.language.library import load_library
from dsocr_symbolic.language.lookup import default_definition, layer_definition
from dsocr_symbolic.language.registry import load_metrics
from dsocr_symbolic.network.builder import build_tree, trained_tree
from dsocr_symbolic.network.fold import Fold
from dsocr_symbolic.network.leaves import Whole, leaves_of
from dsocr_symbolic.scenario.hardware import load_gpu
from dsocr_symbolic.scenario.origins import origins
from dsocr_symbolic.scenario.values import Resolver, choose, chosen_slots
from dsocr_symbolic.verification.calls.bench import Bench, Subject
from dsocr_symbolic.verification.calls.cases import WHOLE, Case, decodes, formula_file, sampled_cases
from dsocr_symbolic.verification.calls.comparison import FUNCTION_COSTS, LEAST_BYTES, LIMITS, Counted
from dsocr_symbolic.verification.calls.subjects import count_case
from dsocr_symbolic.verification.proof import ProofCell, count_grid, proof_cells, small_call
from dsocr_symbolic.verification.reference.trace import tensors_in
from dsocr_symbolic.verification.training import PeakBench, TrainingBench, training_cases

_MOST = 5
_IO, _LAUNCHES = "forward_io_bytes", "operator_launches"
WRONG = (UserError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError, RecursionError)
"""What a formula that is changed may raise where it has no value."""


class EdgeBench(PeakBench):
    """Counts what a call cannot avoid to move: the tensors handed in and returned, its weights, its KV cache."""

    def measure(self, subject: Subject) -> tuple[dict[str, int], dict[str, tuple[int, int]]]:
        """Count the bytes at the edge."""
        past = (
            {} if subject.cache is None else {id(kept): kept for kept in (*subject.cache.keys, *subject.cache.values)}
        )
        handed = [tensor.nbytes for tensor in self.inputs if id(tensor) not in past]
        returned = [tensor.nbytes for tensor in tensors_in((subject.call(),))]
        weights = [parameter.nbytes for parameter in subject.parameters]
        cached = subject.kv_bytes() if subject.kv_bytes else 0
        return {"forward_fused_io_bytes": sum(handed) + sum(returned) + sum(weights) + cached}, {}


@frozen(kw_only=True)
class Held:
    """A count, and what of it the unchanged formula agrees with: exactly, or within a limit.

    Attributes
    ----------
    counted : Counted
    limits : mapping of str to float
        How far each metric may be off, as a part of the count; 0 wherever the formula agrees to the digit.
    """

    counted: Counted
    limits: Mapping[str, float]

    def tells(self, library: Library) -> bool:
        """Say whether the formulas of a library miss the count, or have no number at all."""
        try:
            found, by_aten = numbers(library, self.counted)
        except WRONG:
            return True
        if self.counted.by_aten and by_aten != expected(self.counted)[1]:
            return True
        counts = self.counted.metrics
        return any(not _agrees(found[name], counts[name], limit) for name, limit in self.limits.items())


def _agrees(number: Any, count: int, limit: float) -> bool:
    return number is not None and -limit * count <= number - count <= limit * count


def held(counted: Counted) -> Held | None:
    """Hold the unchanged formula to a count; None where it agrees with nothing of it, ValueError where it must."""
    found, by_aten = numbers(load_library(), counted)
    limits = {}
    for name, count in counted.metrics.items():
        allowed = next((limit for limit in (0, LIMITS.get(name, 0)) if _agrees(found[name], count, limit)), None)
        if allowed is not None:
            limits[name] = allowed
        elif name not in _MAY_DIFFER and not (name in LIMITS and count < LEAST_BYTES):
            raise ValueError(_disagreement(counted))
    if counted.by_aten and by_aten != expected(counted)[1]:
        raise ValueError(_disagreement(counted))
    return Held(counted=counted, limits=limits) if limits else None


# Tables of which rows are read, weights that never run and inputs that a module ignores are more than must be moved.
_MAY_DIFFER = ("forward_fused_io_bytes",)


def _disagreement(counted: Counted) -> str:
    settings = ", ".join(f"{name}={value}" for name, value in counted.settings.items())
    return f"{counted.layer} at {settings}: the unchanged formula disagrees with the count"


Numbers = tuple[dict[str, Any], dict[str, tuple[Any, Any]]]


def expected(counted: Counted) -> Numbers:
    """Return what was counted, in the form of :func:`numbers`."""
    return dict(counted.metrics), {name: (size, launches) for name, (size, launches) in counted.by_aten.items()}


def numbers(library: Library, counted: Counted) -> Numbers:
    """Evaluate a formula at a count's settings with plain numbers."""
    definition, slots, given = prepared(counted.layer, tuple(sorted(counted.choices.items())))
    kinds = [load_metrics()[name] for name in counted.metrics]
    build = trained_tree if any(metric.step for metric in kinds) else build_tree
    values = {**given, **FUNCTION_COSTS, **counted.settings}
    tree = build(library, definition.stages, values, slots, arithmetic)
    whole = Whole(definition=definition, stages=tree) if any(metric.kind == "peak" for metric in kinds) else None
    fold = Fold(leaves_of(tree, whole=whole, algebra=arithmetic))
    rows, columns = fold.leaves.rows, fold.leaves.columns
    running = [bool(row.aten) and not set(row.path.split("/")) & set(counted.without) for row in rows]

    def added(name: str) -> Any:
        if load_metrics()[name].kind == "flow":
            return arithmetic.total(compress(columns[name], running))
        return fold.column(name)[0 if load_metrics()[name].kind == "stock" else 1]

    by_aten: dict[str, tuple[Any, Any]] = {}
    per_row = zip(rows, columns[_IO], columns[_LAUNCHES], strict=True) if counted.by_aten else ()
    for row, moved, launches in compress(per_row, running):
        if launches:
            before = by_aten.get(row.aten, (0, 0))
            by_aten[row.aten] = (before[0] + moved, before[1] + launches)
    return {metric: added(metric) for metric in counted.metrics}, by_aten


Prepared = tuple[Definition, Mapping[str, str], Mapping[str, Any]]


@cache
def prepared(layer: str, choices: tuple[tuple[str, str], ...]) -> Prepared:
    """Read what all mutants share: the layer as a network, slots, and numbers of all other symbols."""
    definition = default_definition(None)
    options, gpu = choose(definition, dict(choices)), load_gpu(definition.default_gpu)
    resolver = Resolver(definition, origins(definition, options, {}, gpu), gpu)
    groups = ("constant", "choice", "convention")
    given = {name: resolver.value(name) for name, known in definition.quantities.items() if known.group in groups}
    return layer_definition(definition, layer), chosen_slots(definition, options), given


def reduced(counted: Iterable[Counted], most: int) -> Iterator[Counted]:
    """Thin a cell's counts: the corners tell mutants apart as well as the whole grid does."""
    whole = list(counted)
    step = max(1, len(whole) // most)
    for index, count in enumerate(whole):
        if index % step == 0 or index == len(whole) - 1:
            yield count


@cache
def counts_of(layer: str) -> tuple[Held, ...]:
    """Count calls of a layer itself: a few points of its cells, single calls, gradient steps, peaks and edges."""
    cells = [cell for cell in proof_cells() if formula_file(cell.layer) == layer]
    counted = [*_example(layer), *chain.from_iterable(_of_cell(cell) for cell in cells if "published" not in cell.name)]
    cases = [case for case in sampled_cases() if formula_file(case.layer) == layer]
    small = [
        case for case in cases if layer.startswith("operators/") or layer == "core/deepseek_ocr_model" or not cells
    ]
    counted += [count_case(case, Bench(precision)) for case in small for precision in case.precisions]
    for case in training_cases():
        if case.layer != WHOLE and formula_file(case.layer) == layer:
            counted += [count_case(case, bench()) for bench in (TrainingBench, PeakBench, EdgeBench)]
    counted += chain.from_iterable(_besides(case) for case in small)
    return (*filter(None, map(held, counted)), *_elsewhere(cells, small))


def _elsewhere(cells: Iterable[ProofCell], cases: Iterable[Case]) -> Iterator[Held]:
    """Hold formulas to peaks and edges under autocast and behind a cache, as far as they agree.

    Casts that autocast keeps, and the copy of a cache that grows, are not followed.
    """
    for cell in cells:
        case = small_call(cell)
        for precision in cell.precisions if "published" not in cell.name else ():
            # Gradient steps have brought those of other calls in plain already.
            if precision == "autocast" or decodes(case.settings):
                yield from _edges(case, precision)
    for case in cases:
        if "autocast" in case.precisions:
            yield from _edges(case, "autocast")


def _edges(case: Case, precision: str) -> Iterator[Held]:
    for bench in (PeakBench, EdgeBench):
        with suppress(RuntimeError, NotImplementedError, ValueError):
            agreeing = held(count_case(case, bench(precision)))
            if agreeing is not None:
                yield agreeing


def _example(layer: str) -> Iterator[Counted]:
    """Return the numbers that an operator's file holds it to; a function costs 1 FLOP there."""
    formula = load_library()[layer.rpartition("/")[2]]
    if isinstance(formula, Operator) and formula.example.gives and formula.example.member in ("", formula.name):
        given = {name: evaluate(value, {}, arithmetic) for name, value in formula.example.given.items()}
        settings = {**dict.fromkeys(FUNCTION_COSTS, 1), **given}
        yield Counted(source="example", layer=layer, settings=settings, metrics=formula.example.gives)  # type: ignore[arg-type]


def _besides(case: Case) -> Iterator[Counted]:
    """Count what a forward does not show of a single call; not all of them have a gradient or can be repeated."""
    for bench in (TrainingBench, PeakBench, EdgeBench):
        with suppress(RuntimeError, NotImplementedError):
            yield count_case(case, bench())


def _of_cell(cell: ProofCell) -> Iterator[Counted]:
    for precision in cell.precisions:
        varied = cell.axes if precision == "plain" else cell.autocast or ()
        degrees = {axis: int(axis in varied) for axis in cell.axes}
        yield from reduced(count_grid(cell, precision, degrees), _MOST)


@cache
def around(name: str) -> tuple[str, ...]:
    """Return the files whose counts tell about a formula: its own, those of what calls it, and so on, nearest first."""
    library = load_library()
    reached, waiting = [name], [name]
    for callee in waiting:
        for formula in library.formulas.values():
            if isinstance(formula, Layer) and formula.name not in reached and callee in used(formula):
                reached.append(formula.name)
                waiting.append(formula.name)
    return tuple(reached)


def used(formula: Formula) -> set[str]:
    """Return what a formula calls, by name or through a slot, whatever a choice puts there; an operator nothing."""
    if not isinstance(formula, Layer):
        return set()
    fillings = [*formula.slots.values(), *(filling for call in formula.calls for filling in call.slots.values())]
    slots = {call.use.removeprefix("$") for call in formula.calls if call.use.startswith("$")}
    options = [option for choice in default_definition(None).choices.values() for option in choice.options.values()]
    chosen = {formula for option in options for slot, formula in option.slots.items() if slot in slots}
    return {call.use for call in formula.calls} | {filling.use for filling in fillings} | chosen
