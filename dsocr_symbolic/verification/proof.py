"""Proof on cells: polynomials of known degree that agree on a full product grid are equal."""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import pairwise, product
from keyword import iskeyword

from attrs import evolve, frozen

from dsocr_symbolic.algebras.value import Exact
from dsocr_symbolic.language.expression import EMPTY, parse
from dsocr_symbolic.language.files.proof_file import CellEntry, CellsFile, proof_file
from dsocr_symbolic.verification.calls.bench import Bench
from dsocr_symbolic.verification.calls.cases import Case, Settings, few_blocks, formula_file, used_settings
from dsocr_symbolic.verification.calls.comparison import Counted, Verdict, compare, formula_numbers
from dsocr_symbolic.verification.calls.subjects import SUBJECTS

Point = Mapping[str, int]
_HIGHEST_DEGREE = 7


@frozen(kw_only=True)
class ProofCell:
    """A family of calls with one operator sequence, on which every count is a polynomial of the axes.

    Attributes
    ----------
    layer : str
        The formula file; behind a blank, which of its variants is called.
    name : str
        What is the same in all calls, in words.
    axes : mapping of str to (int, int)
        For each free axis its first value and its stride.
    settings : callable
        From a point on the axes to the formula's symbols.
    autocast : tuple of str or None
        Axes that vary under autocast as well, the others stay at their first value; None if it is left out.
    choices : mapping of str to str
        Options of the model's choices.
    """

    layer: str
    name: str
    axes: Mapping[str, tuple[int, int]]
    settings: Callable[[Point], Mapping[str, Exact]]
    autocast: tuple[str, ...] | None = None
    choices: Mapping[str, str] = EMPTY

    @property
    def precisions(self) -> tuple[str, ...]:
        """The precisions in which it is proven."""
        return ("plain",) if self.autocast is None else ("plain", "autocast")


@cache
def proof_cells() -> tuple[ProofCell, ...]:
    """Read formulas/proofs/cells.yaml."""
    return tuple(map(_cell, proof_file(CellsFile, "cells").cells))


def small_call(cell: ProofCell) -> Case:
    """Return the call at the second value of every axis, with few blocks."""
    settings = cell.settings({axis: first + stride for axis, (first, stride) in cell.axes.items()})
    return Case(layer=cell.layer, settings=few_blocks(settings), choices=cell.choices)


def _cell(cell: CellEntry) -> ProofCell:
    own = Settings(given={axis: parse(_symbol(axis), cell.name) for axis in cell.axes})
    alone = not cell.use and not cell.given
    settings = used_settings(evolve(cell, use=("axes",)) if alone else cell, own={"axes": own})
    return ProofCell(
        layer=cell.layer,
        name=cell.name,
        axes=cell.axes,
        settings=lambda point: settings.at({_symbol(axis): value for axis, value in point.items()}),
        autocast=cell.autocast or None,
        choices=cell.choices,
    )


def _symbol(axis: str) -> str:
    """Name an axis in formulas, which are Python's expressions and cannot hold its keywords."""
    return f"{axis}_" if iskeyword(axis) else axis


@frozen(kw_only=True)
class Proof:
    """A cell at one precision, compared on its grid.

    Attributes
    ----------
    cell : ProofCell
        The family of calls.
    degrees : mapping of str to int
        Degree of the formula in each axis; the grid has one value more.
    verdicts : tuple of Verdict
        One per point.
    """

    cell: ProofCell
    degrees: Mapping[str, int]
    verdicts: tuple[Verdict, ...]

    @property
    def holds(self) -> bool:
        """Whether every point agrees."""
        return not any(verdict.differences for verdict in self.verdicts)


def prove(cell: ProofCell, precision: str) -> Proof:
    """Compare a cell on the full product grid of degree + 1 values per axis.

    Counts are taken to be polynomials of at most the formula's degree: each operator's elements are products of sizes.
    ValueError says that the formula is no polynomial: a guard or a ceiling changes its form on the cell.
    """
    varied = cell.axes if precision == "plain" else (cell.autocast or ())
    degrees = {axis: _degree(cell, axis, precision) if axis in varied else 0 for axis in cell.axes}
    verdicts = tuple(compare(counted) for counted in count_grid(cell, precision, degrees))
    return Proof(cell=cell, degrees=degrees, verdicts=verdicts)


def count_grid(cell: ProofCell, precision: str, degrees: Mapping[str, int]) -> Iterator[Counted]:
    """Count the calls of a grid."""
    values = [
        [first + stride * step for step in range(degrees[axis] + 1)] for axis, (first, stride) in cell.axes.items()
    ]
    bench = Bench(precision)
    with bench.context():
        for combination in product(*values):
            settings = cell.settings(dict(zip(cell.axes, combination, strict=True)))
            yield bench.count(cell.layer, settings, cell.choices, SUBJECTS[cell.layer](bench, settings))


def _degree(cell: ProofCell, axis: str, precision: str) -> int:
    """Find the degree of the formula in one axis: the differences of the next order vanish."""
    start = {name: first for name, (first, _) in cell.axes.items()}
    first, stride = cell.axes[axis]
    points = [{**start, axis: first + stride * step} for step in range(_HIGHEST_DEGREE + 2)]
    rows = [_formula(cell, point, precision) for point in points]
    degree = 0
    for column in zip(*rows, strict=True):
        order = _order(list(column))
        if order is None:
            raise ValueError(f"{cell.layer}, {cell.name}: no polynomial in {axis}")
        degree = max(degree, order)
    return degree


def _formula(cell: ProofCell, point: Point, precision: str) -> list[Exact]:
    choices = {**cell.choices, "precision": precision}
    total = formula_numbers(formula_file(cell.layer), cell.settings(point), choices).total
    return [total[name] for name in _METRICS]


_METRICS = (
    *("forward_tensor_core_flops", "forward_cuda_core_flops", "forward_io_bytes", "operator_launches"),
    *("parameters", "forward_kv_cache_bytes"),
)


def _order(values: list[Exact]) -> int | None:
    """Return the degree of the polynomial through equally spaced values, or None if they are too few to tell."""
    degree = -1
    while len(values) > 1 and any(values):
        values = [after - before for before, after in pairwise(values)]
        degree += 1
    return None if any(values) else max(degree, 0)
