"""What the GPU runs for a call: its operator's kernels, those of its caller's choice, or those of its backward."""

from collections.abc import Iterable
from typing import Any

from dsocr_symbolic.language.call import Call
from dsocr_symbolic.language.formula import Formula, Operator
from dsocr_symbolic.network import costs, dataflow, layouts
from dsocr_symbolic.network.kernels import kernels_of
from dsocr_symbolic.network.layouts import Layouts
from dsocr_symbolic.network.node import DeviceKernel, Port, Scope, Site


def kernels(
    call: Call, formula: Formula, site: Site, *, ports: Iterable[Port], taken: Layouts, io_bytes: Any
) -> tuple[DeviceKernel, ...]:
    """Return what the GPU runs for a call itself, in training for its backward; ``io_bytes`` are those of a launch."""
    training = site.scope["training"] != 0
    if not isinstance(formula, Operator):
        works = formula.backward_kernels if training else formula.kernels
        return kernels_of(works, site.scope, site.algebra, site.scope["trained"] if training else 1)
    scope = {**site.scope, **layouts.symbols(taken), "io_bytes": io_bytes}
    if training:
        return _backward(call, formula, scope, ports, site)
    works = formula.kernels if call.kernels is None else call.kernels
    return kernels_of(works if works or call.kernels is not None else None, scope, site.algebra)


def _backward(
    call: Call, operator: Operator, scope: Scope, ports: Iterable[Port], site: Site
) -> tuple[DeviceKernel, ...]:
    """Return what the GPU runs for an operator's backward: for each launch, and what no launch shows."""
    algebra = site.algebra
    inputs = {port.name: dataflow.needs_gradient(port.inside) for port in ports}
    needed = costs.needed_gradients(operator, inputs, scope["trained"])
    any_needed = costs.either(needed.values())
    if call.backward_kernels is not None:
        return kernels_of(call.backward_kernels, scope, algebra, any_needed)
    found: list[DeviceKernel] = []
    for gradient, runs in costs.running_gradients(operator, needed):
        run = runs if gradient.when is None else runs * costs.value(gradient.when, scope, algebra)
        moved = costs.gradient_bytes(operator, gradient, scope, algebra, runs=runs, needed=needed)
        found += kernels_of(gradient.kernels or None, {**scope, "io_bytes": moved}, algebra, run)
    return (*found, *kernels_of(operator.backward_kernels, scope, algebra, any_needed))
