"""The network at one point, operator by operator: what statements of metrics, times and bounds are made of."""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from functools import cache, cached_property
from typing import Any

from attrs import evolve, frozen

from dsocr_symbolic.algebras import symbolic
from dsocr_symbolic.language.call import Call, Repeat
from dsocr_symbolic.language.library import load_library
from dsocr_symbolic.network.builder import trained_tree
from dsocr_symbolic.network.fold import Fold
from dsocr_symbolic.network.leaves import Whole, leaves_of
from dsocr_symbolic.network.node import Node, walk
from dsocr_symbolic.scenario.overrides import as_number, as_rational
from dsocr_symbolic.scenario.values import Resolver, choose, chosen_slots
from dsocr_symbolic.verification.expectations.machine import network, values

Launch = tuple[Any, ...]


@frozen(kw_only=True, eq=False, slots=False)
class Tree:
    """The network with a number for every symbol but the machine's; costs of decode are polynomials of its step."""

    stages: tuple[Node, ...]
    scope: Mapping[str, Any]

    @cached_property
    def nodes(self) -> Sequence[Node]:
        """Every node."""
        return tuple(walk(self.stages))

    @cached_property
    def launches(self) -> Sequence[Launch]:
        """Of every operator its path, how often it runs, FLOPs of both kinds and bytes of one launch; step by step."""
        operators = [(node, node.launch) for node in self.nodes if node.launch is not None]
        return [
            (
                node.path,
                exact(node.calls),
                *(
                    exact(at_step(cost, node, step))
                    for cost in (launch.tensor_core_flops, launch.cuda_core_flops, launch.io_bytes)
                ),
            )
            for node, launch in operators
            for step in steps(node)
        ]


@frozen(kw_only=True, eq=False)
class Facts:
    """A tree on a machine.

    Attributes
    ----------
    numbers : mapping of str to number
        Every symbol.
    tree, fold : Tree, Fold
        The operators, and what the files make of them.
    """

    numbers: Mapping[str, Any]
    tree: Tree
    fold: Fold

    def given(self, metric: str, path: str = "") -> Any:
        """Return what the files give for a metric of a part, as a number; None where there is none, as of 0/0."""
        paths = [row.path for row in self.fold.leaves.rows]
        found = self.fold.column(metric)[paths.index(path) if path else 0]
        return None if found is None or str(found) == "nan" else number(found, self.numbers)

    def nodes(self, *parts: str) -> list[Node]:
        """Return every node at or below some paths; all without paths."""
        return [node for node in self.tree.nodes if _inside(node.path, parts)]

    def launches(self, *parts: str) -> list[tuple[Any, ...]]:
        """Return the launches at or below some paths, without their paths."""
        return [launch[1:] for launch in self.tree.launches if _inside(launch[0], parts)]


def _inside(path: tuple[str, ...], parts: Iterable[str]) -> bool:
    split = [tuple(part.split("/")) for part in parts]
    return not split or any(path[: len(part)] == part for part in split)


def steps(node: Node) -> range:
    """Return the steps of a node, one if it has none."""
    return range(1, 1 + int(node.steps.last)) if node.steps else range(1, 2)


def once(call: Call) -> Call:
    """Let a call run once, at one step."""
    return evolve(call, repeat=Repeat())


def at_step(cost: Any, node: Node, step: int) -> Any:
    """Return a cost at one step."""
    return cost.subs(node.steps.index, step) if node.steps and hasattr(cost, "subs") else cost


def exact(value: Any) -> Fraction:
    """Turn a sympy number into a plain one."""
    return Fraction(as_number(value) if hasattr(value, "free_symbols") else value)


def number(value: Any, numbers: Mapping[str, Any]) -> Fraction:
    """Put numbers in for all symbols that are left."""
    if not hasattr(value, "free_symbols"):
        return Fraction(value)
    expression = value
    there = expression.xreplace({free: rational(numbers[str(free)]) for free in expression.free_symbols})
    return exact(there.replace(symbolic.sum_maxima, _summed))


def _summed(last: Any, *ends: Any) -> Any:
    """Add the largest line up, step by step."""
    lines = list(zip(ends[::2], ends[1::2], strict=True))
    return sum(max(start + slope * step for start, slope in lines) for step in range(1, 1 + int(last)))


def rational(value: Any) -> Any:
    """Turn a plain number into an exact sympy one."""
    return as_rational(Fraction(value))


def _numbers(settings: tuple[tuple[str, Any], ...]) -> Resolver:
    """Work symbols out; what is text is an option of a choice."""
    return values({name: value for name, value in settings if not isinstance(value, str)})


@cache
def tree_at(settings: tuple[tuple[str, Any], ...]) -> Tree:
    """Build the network at settings; no file of metrics, times, bounds or the machine has a part in it."""
    definition = network()
    chosen = {name: option for name, option in settings if isinstance(option, str)}
    resolver = _numbers(settings)
    scope = {
        name: symbolic.symbol(name) if known.group == "machine" else rational(resolver.value(name))
        for name, known in definition.quantities.items()
    }
    slots = chosen_slots(definition, choose(definition, chosen))
    return Tree(
        stages=trained_tree(load_library(), definition.stages, scope, slots, symbolic, tied=definition.tied),
        scope=scope,
    )


@cache
def at(settings: tuple[tuple[str, Any], ...]) -> Facts:
    """Evaluate the network at settings, on the default machine."""
    tree, resolver = tree_at(settings), _numbers(settings)
    leaves = leaves_of(tree.stages, whole=Whole(definition=network(), stages=tree.stages))
    numbers = {name: Fraction(resolver.value(name)) for name in network().quantities}
    return Facts(numbers=numbers, tree=tree, fold=Fold(evolve(leaves, scope=tree.scope)))


# What tells formulas apart: efficiencies below and above 1, clocks that differ, each resource the slowest.
PLAIN: Mapping[str, Any] = {"batch": 2, "crop_columns": 2, "crop_rows": 1, "text_tokens": 7, "new_tokens": 2}
_ODD = {"compute_efficiency": Fraction(3, 4), "bandwidth_efficiency": Fraction(4, 5)}
_FAST = {"compute_efficiency": Fraction(5, 4), "bandwidth_efficiency": Fraction(11, 8)}
_CLOCKS = {"rated_clock": Fraction(2000), "highest_clock": Fraction(2500), "reserve": Fraction(10**9)}
_SLOW_CORES = {"cuda_core_peak": Fraction(10**10), "fastest_cuda_core_peak": Fraction(10**10)}
_SLOW_TENSORS = {"tensor_core_peak": Fraction(10**9), "fastest_tensor_core_peak": Fraction(11 * 10**8)}
_SLOW_MEMORY = {"memory_bandwidth": Fraction(10**8), "fastest_memory_bandwidth": Fraction(12 * 10**7)}
_CHIPS = ({"on_chip": Fraction(0)}, {"on_chip": Fraction(10**6)}, {"on_chip": Fraction(10**8)})


def machines() -> Sequence[Mapping[str, Any]]:
    """Return machines that are each slowest at something else, and one at nothing in particular."""
    return [
        {**_ODD, **_CLOCKS},
        *(
            {**uneven, **_CLOCKS, **slow}
            for uneven in (_ODD, _FAST)
            for slow in (_SLOW_CORES, _SLOW_TENSORS, _SLOW_MEMORY)
        ),
        *({**_ODD, **_CLOCKS, **_SLOW_MEMORY, **chip} for chip in _CHIPS),
        {**_ODD, **_SLOW_TENSORS, "rated_clock": Fraction(2500), "highest_clock": Fraction(2000)},
    ]


def page(**more: Any) -> Facts:
    """Return the network at the page that statements use, some settings besides."""
    return at(tuple(sorted({**PLAIN, **more}.items())))


def on(point: Facts, machine: Mapping[str, Any]) -> Facts:
    """Return a point on another machine, whose numbers are put in where they are asked for."""
    return evolve(point, numbers={**point.numbers, **machine})
