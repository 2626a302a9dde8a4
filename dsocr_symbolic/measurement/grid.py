"""The records of formulas/calibration/grid.yaml: what each measures, and the seconds that its formula gives."""

from collections.abc import Mapping
from functools import cache

import sympy

from dsocr_symbolic.algebras import arithmetic, symbolic
from dsocr_symbolic.algebras.value import Expr
from dsocr_symbolic.language.call import Call
from dsocr_symbolic.language.files.calibration_file import GridFile, RecordEntry, TensorEntry, calibration_file
from dsocr_symbolic.language.library import load_library
from dsocr_symbolic.language.lookup import default_definition
from dsocr_symbolic.measurement.benchmarks import Benchmark, TensorSpec
from dsocr_symbolic.network.builder import trained_tree
from dsocr_symbolic.network.kernel_seconds import seconds_of
from dsocr_symbolic.network.kernels import machine_symbols
from dsocr_symbolic.network.leaves import metric_expression
from dsocr_symbolic.network.node import walk
from dsocr_symbolic.scenario.scenario import make_scenario, scenario_values


def load_grid() -> GridFile:
    """Read the grid."""
    grid: GridFile = calibration_file(GridFile, "grid")
    return grid


def benchmarks(grid: GridFile) -> list[Benchmark]:
    """Return what is to be timed, in the order of the file."""
    return [
        Benchmark(
            name=name,
            call=record.call,
            tensors=tuple(map(_tensor, record.tensors)),
            settings=dict(record.settings),
            cold=record.cold,
            training=record.training,
        )
        for name, record in grid.records.items()
    ]


def _tensor(entry: TensorEntry) -> TensorSpec:
    part = None if not entry.part else (entry.part[0], entry.part[1], entry.part[2])
    return TensorSpec(
        shape=entry.shape,
        dtype=entry.dtype,
        order=entry.order,
        part=part,
        values=entry.values,
        below=entry.below,
        expand=entry.expand,
        weight=entry.weight,
    )


def predicted(record: RecordEntry) -> dict[str, Expr]:
    """Return the seconds of a record as its formula gives them, in symbols of the machine, and those of its kernels.

    The whole stands under an empty name.
    """
    call = Call(name=record.use, use=record.use, given=record.given, turns=record.turns, permutes=record.permutes)
    scope = {**_conventions(), **machine_symbols()}
    tree = trained_tree(load_library(), (call,), scope, _slots(), symbolic)
    seconds = metric_expression(tree, "backward_device_s" if record.training else "device_s")
    nodes = [node.training if record.training else node for node in walk(tree)]
    kernels = {
        kernel.name: sympy.sympify(seconds_of((kernel,), None, node.path))
        for node in nodes
        if node is not None
        for kernel in node.kernels
    }
    return {"": sympy.sympify(seconds), **kernels}


@cache
def _conventions() -> Mapping[str, Expr]:
    """Return every symbol of the default network as a number: a record says all of its own sizes."""
    definition = default_definition(None)
    values = scenario_values(make_scenario(definition=definition))
    known = definition.quantities
    return {
        name: sympy.Rational(str(arithmetic.whole(number)))
        for name, number in values.numbers.items()
        if known[name].group in ("convention", "choice")
    }


@cache
def _slots() -> Mapping[str, str]:
    from dsocr_symbolic.scenario.values import chosen_slots

    definition = default_definition(None)
    return chosen_slots(definition, make_scenario(definition=definition).options)
