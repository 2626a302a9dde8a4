"""How a metric and its nodes differ from a baseline."""

from attrs import frozen

from dsocr_symbolic.algebras.value import Exact
from dsocr_symbolic.language.expression import names
from dsocr_symbolic.questions.budget.baseline import NodeValues
from dsocr_symbolic.questions.solve.constraint import Constraint

# What floats leave of a difference of equal sums is less than this part of the whole.
_ROUNDING = 1e-12


@frozen(kw_only=True)
class NodeChange:
    """A node whose share of a metric is not that of the baseline.

    Attributes
    ----------
    path : str
        A node; of memory, the part that it is of.
    before, after, difference : int or float
        The metric there, 0 where there is no such node.
    """

    path: str
    before: Exact
    after: Exact
    difference: Exact


@frozen(kw_only=True)
class MetricChange:
    """A metric of the whole against the baseline.

    Attributes
    ----------
    metric : str
        Name of the registry.
    before, after, difference : int, float or None
        The whole; before and difference are None where the baseline does not have it.
    nodes : tuple of NodeChange
        Nodes that moved the way that breaks the assertion first, the largest difference first.
    """

    metric: str
    before: Exact | None
    after: Exact
    difference: Exact | None
    nodes: tuple[NodeChange, ...]


def bad_way(name: str, constraint: Constraint) -> int:
    """Return 1 where growing breaks a constraint, -1 where shrinking does: what stands on the side that is at most."""
    on_left = name in names(constraint.left)
    return 1 if on_left == constraint.at_most else -1


def change_of(metric: str, before: NodeValues | None, after: NodeValues, way: int) -> MetricChange:
    """Say how a metric moved; ``way`` is 1 where growing breaks what is asserted, and -1 where shrinking does."""
    if before is None:
        return MetricChange(metric=metric, before=None, after=after.total, difference=None, nodes=())
    least = _ROUNDING * max(abs(before.total), abs(after.total))
    nodes = [
        NodeChange(path=path, before=old, after=new, difference=new - old)
        for path in {**before.nodes, **after.nodes}
        if abs((new := after.nodes.get(path, 0)) - (old := before.nodes.get(path, 0))) > least
    ]
    nodes.sort(key=lambda node: (way * float(node.difference) < 0, -abs(float(node.difference))))
    difference = after.total - before.total
    return MetricChange(
        metric=metric, before=before.total, after=after.total, difference=difference, nodes=tuple(nodes)
    )
