"""Follow through calls how tensors lie in memory: in the order in which their axes are read, or not."""

from collections.abc import Mapping

from attrs import evolve, frozen

from dsocr_symbolic.algebras.value import Expr
from dsocr_symbolic.language.call import Call
from dsocr_symbolic.language.formula import Formula, Operator, inputs, outputs
from dsocr_symbolic.network.costs import either, value
from dsocr_symbolic.network.node import Scope, Site


@frozen(kw_only=True)
class Layout:
    """How a tensor lies in memory.

    Attributes
    ----------
    turned, permuted : Value
        1 where its innermost axis, or the order of the outer ones, is not that of its elements in memory; else 0.
    """

    turned: Expr = 0
    permuted: Expr = 0

    def under(self, guard: Expr, other: "Layout") -> "Layout":
        """Return this layout where a guard of 1 or 0 holds, the other one elsewhere."""
        return Layout(
            turned=_chosen(guard, self.turned, other.turned), permuted=_chosen(guard, self.permuted, other.permuted)
        )


IN_ORDER = Layout()
Layouts = dict[str, Layout]


def _chosen(guard: Expr, one: Expr, other: Expr) -> Expr:
    return one if one == other else guard * one + (1 - guard) * other


def viewed(layout: Layout, name: str, call: Call) -> Layout:
    """Return the layout of a callee's tensor on the other side of a call: a view turns or permutes it."""
    if name in call.turns:
        layout = evolve(layout, turned=1 - layout.turned)
    return evolve(layout, permuted=1 - layout.permuted) if name in call.permutes else layout


def taken(call: Call, formula: Formula, known: Mapping[str, Layout]) -> Layouts:
    """Return the layouts in which a callee gets its inputs; of several sources it is out of order where one is."""
    result = {}
    # A stage that names nothing reads inputs of its own, which lie in order.
    reads = call.reads or ((),) * len(inputs(formula))
    for name, sources in zip(inputs(formula), reads, strict=False):
        layouts = [known.get(source, IN_ORDER) for source in sources] or [IN_ORDER]
        joined = Layout(turned=either(one.turned for one in layouts), permuted=either(one.permuted for one in layouts))
        result[name] = viewed(joined, name, call)
    return result


def symbols(layouts: Mapping[str, Layout]) -> Scope:
    """Return the symbols of inputs' layouts, for an operator's kernels."""
    turned = {f"{name}_turned": layout.turned for name, layout in layouts.items()}
    return turned | {f"{name}_permuted": layout.permuted for name, layout in layouts.items()}


def made(operator: Operator, layouts: Mapping[str, Layout], site: Site) -> Layouts:
    """Return the layouts of what an operator writes; in place that of the input."""
    scope = {**site.scope, **symbols(layouts)}
    result = {}
    for name in outputs(operator):
        tensor = operator.tensors[name]
        if tensor.role == "inplace":
            result[name] = layouts.get(name, IN_ORDER)
        else:
            turned, permuted = (value(each, scope, site.algebra) for each in (tensor.turned, tensor.permuted))
            result[name] = Layout(turned=turned, permuted=permuted)
    return result


def bind(call: Call, formula: Formula, inside: Mapping[str, Layout], guard: Expr, known: Layouts) -> None:
    """Give the names that a call writes their layouts; a call that may not run leaves what stands in."""
    for place, (name, given) in enumerate(zip(call.writes, outputs(formula), strict=False)):
        layout = viewed(inside.get(given, IN_ORDER), given, call)
        if call.when is not None and place == 0 and call.skip:
            layout = layout.under(guard, known.get(call.skip, IN_ORDER))
        known[name] = layout
