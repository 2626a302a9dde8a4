"""What operators of a call read of one another, as the unchanged formulas say it, too: it tells mutants apart."""

from collections.abc import Iterator
from functools import cache

from attrs import frozen

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.language.formula import Library
from dsocr_symbolic.language.library import load_library
from dsocr_symbolic.network.builder import build_tree
from dsocr_symbolic.verification.calls.bench import Bench
from dsocr_symbolic.verification.calls.cases import WHOLE, Case, formula_file, sampled_cases
from dsocr_symbolic.verification.calls.comparison import FUNCTION_COSTS, Counted
from dsocr_symbolic.verification.calls.dataflow import Edges, FlowTrace, edges_of
from dsocr_symbolic.verification.calls.subjects import subject_of
from dsocr_symbolic.verification.mutants.counting import WRONG, prepared
from dsocr_symbolic.verification.proof import proof_cells, small_call

_MOST = 4


@frozen(kw_only=True)
class Followed:
    """A call, and which operator read what which other one wrote there."""

    counted: Counted
    edges: Edges

    def tells(self, library: Library) -> bool:
        """Say whether the formulas of a library say that something else is read, or nothing at all."""
        try:
            return followed_by(library, self.counted) != self.edges
        except WRONG:
            return True


def followed_by(library: Library, counted: Counted) -> Edges:
    """Return what formulas say that operators of a call read of one another."""
    definition, slots, given = prepared(counted.layer, tuple(sorted(counted.choices.items())))
    values = {**given, **FUNCTION_COSTS, **counted.settings}
    return edges_of(build_tree(library, definition.stages, values, slots, arithmetic), counted.without)


def follow(case: Case, precision: str) -> Followed:
    """Run the call of a case, and follow what is read."""
    bench = Bench(precision)
    with bench.context():
        subject = subject_of(bench, case)
        with FlowTrace() as trace:
            subject.call()
    counted = Counted(
        source="what is read",
        layer=formula_file(case.layer),
        settings=dict(case.settings),
        choices={**case.choices, "precision": precision},
        metrics={},
        without=subject.without,
    )
    return Followed(counted=counted, edges=trace.edges)


def followed_cases() -> Iterator[tuple[Case, str]]:
    """Yield the calls of layers that are followed: single ones, and a small one of every cell."""
    cells = (small_call(cell) for cell in proof_cells() if "published" not in cell.name)
    for case in (*sampled_cases(), *cells):
        if case.layer != WHOLE and not case.layer.startswith("operators/"):
            yield from ((case, precision) for precision in case.precisions)


@cache
def flows_of(layer: str) -> tuple[Followed, ...]:
    """Follow some calls of a layer; ValueError where the unchanged formulas say something else."""
    cases = [each for each in followed_cases() if formula_file(each[0].layer) == layer]
    flows = tuple(follow(*each) for each in cases[:: max(1, len(cases) // _MOST)])
    for flow in flows:
        if flow.tells(load_library()):
            raise ValueError(f"{layer}: the unchanged formula reads other tensors than {flow.counted.settings}")
    return flows
