"""Proof on cells: polynomials of known degree that agree on a full product grid are equal."""

from collections.abc import Iterator, Mapping
from itertools import pairwise, product
from typing import Any

from attrs import frozen

from dsocr_symbolic.verification.calls.bench import Bench
from dsocr_symbolic.verification.calls.comparison import compare, formula_numbers
from dsocr_symbolic.verification.calls.counted import Comparison, Counted
from dsocr_symbolic.verification.calls.subjects import SUBJECTS
from dsocr_symbolic.verification.proof.cell import Cell, Point
from dsocr_symbolic.verification.proof.cells_decoder import DECODER_CELLS
from dsocr_symbolic.verification.proof.cells_vision import VISION_CELLS

CELLS: tuple[Cell, ...] = (*VISION_CELLS, *DECODER_CELLS)


_HIGHEST_DEGREE = 7


@frozen(kw_only=True)
class Proof:
    """A cell at one precision, compared on its grid.

    Attributes
    ----------
    cell : Cell
        The family of calls.
    precision : str
        ``plain`` or ``autocast``.
    degrees : mapping of str to int
        Degree of the formula in each axis; the grid has one value more.
    comparisons : tuple of Comparison
        One per point.
    """

    cell: Cell
    precision: str
    degrees: Mapping[str, int]
    comparisons: tuple[Comparison, ...]

    @property
    def holds(self) -> bool:
        """Whether every point agrees."""
        return not any(each.differences for each in self.comparisons)


def prove(cell: Cell, precision: str) -> Proof:
    """Compare a cell on the full product grid of degree + 1 values per axis.

    Parameters
    ----------
    cell : Cell
        The family of calls.
    precision : str
        ``plain`` or ``autocast``.

    Returns
    -------
    Proof
        Counts are taken to be polynomials of at most the formula's degree: each operator's elements are
        products of sizes.

    Raises
    ------
    ValueError
        If the formula is no polynomial on the cell: a guard or a ceiling changes its form there.
    """
    varied = cell.axes if precision == "plain" else (cell.autocast or ())
    degrees = {axis: _degree(cell, axis, precision) if axis in varied else 0 for axis in cell.axes}
    comparisons = tuple(compare(each) for each in counts(cell, precision, degrees))
    return Proof(cell=cell, precision=precision, degrees=degrees, comparisons=comparisons)


def counts(cell: Cell, precision: str, degrees: Mapping[str, int]) -> Iterator[Counted]:
    """Count the calls of a grid."""
    values = [
        [first + stride * step for step in range(degrees[axis] + 1)] for axis, (first, stride) in cell.axes.items()
    ]
    bench = Bench(precision)
    layer = cell.layer.partition(" ")[0]
    with bench.context():
        for combination in product(*values):
            settings = cell.settings(dict(zip(cell.axes, combination, strict=True)))
            subject = SUBJECTS[cell.layer](bench, settings)
            yield bench.count(layer, settings, dict(cell.choices), subject, "reference")


def _degree(cell: Cell, axis: str, precision: str) -> int:
    """Find the degree of the formula in one axis: the differences of the next order vanish."""
    start = {name: first for name, (first, _) in cell.axes.items()}
    first, stride = cell.axes[axis]
    points = [{**start, axis: first + stride * step} for step in range(_HIGHEST_DEGREE + 2)]
    rows = [_formula(cell, point, precision) for point in points]
    degree = 0
    for column in zip(*rows, strict=True):
        found = _order(list(column))
        if found is None:
            raise ValueError(f"{cell.layer}, {cell.name}: no polynomial in {axis}")
        degree = max(degree, found)
    return degree


def _formula(cell: Cell, point: Point, precision: str) -> list[Any]:
    counted = Counted(
        source="formula",
        layer=cell.layer.partition(" ")[0],
        settings=cell.settings(point),
        choices={**cell.choices, "precision": precision},
        metrics={},
    )
    total = formula_numbers(counted).total
    return [total[name] for name in _METRICS]


_METRICS = (
    *("forward_tensor_core_flops", "forward_cuda_core_flops", "forward_io_bytes", "operator_launches"),
    *("parameters", "forward_kv_cache_bytes"),
)


def _order(values: list[Any]) -> int | None:
    """Return the degree of the polynomial through equally spaced values, or None if they are too few to tell."""
    degree = -1
    while len(values) > 1 and any(values):
        values = [after - before for before, after in pairwise(values)]
        degree += 1
    return None if any(values) else max(degree, 0)
