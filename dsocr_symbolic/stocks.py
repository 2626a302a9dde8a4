"""What a module owns, and what a call of it cannot avoid to move of that."""

from typing import Any

from dsocr_symbolic import costs
from dsocr_symbolic.dataflow import Site
from dsocr_symbolic.formula import Formula
from dsocr_symbolic.tree import Steps, Stock


def owned(formula: Formula, module: str, copies: Any, steps: Steps | None, site: Site) -> tuple[Stock, ...]:
    """Return the stocks that a formula declares.

    Parameters
    ----------
    formula : Formula
        The formula.
    module : str
        Checkpoint path of the module that it is.
    copies : value
        Distinct modules.
    steps : Steps or None
        Over which its calls repeat: the last state counts.
    site : Site
        Where it stands.

    Returns
    -------
    tuple of Stock
        Weights and the KV cache, all copies together.
    """
    result = []
    zero = site.algebra.number(0)
    for name, tensor in formula.tensors.items():
        if tensor.role not in ("weight", "cache"):
            continue
        elements = costs.elements(tensor.shape, site.scope, site.algebra)
        elements = _at_last_step(copies * elements, steps)
        size = elements * costs.value(tensor.dtype, site.scope, site.algebra)
        weight = tensor.role == "weight"
        result.append(
            Stock(
                key=f"{module}.{name}",
                parameters=elements if weight else zero,
                weight_bytes=size if weight else zero,
                kv_cache_bytes=zero if weight else size,
                gradient_bytes=size if weight and tensor.runs else zero,
            )
        )
    return tuple(result)


def required_bytes(formula: Formula, site: Site) -> Any:
    """Return the bytes that a call cannot avoid: its weights read once, its cache read once and appended once."""
    found = site.algebra.number(0)
    for tensor in formula.tensors.values():
        if tensor.role == "weight" and tensor.runs:
            found += costs.read_size(tensor, site.scope, site.algebra)
        if tensor.role == "cache":
            found += costs.size(tensor, site.scope, site.algebra)
    return found


def depends(value: Any, steps: Steps) -> bool:
    """Say whether a value depends on the step."""
    return hasattr(value, "has") and bool(value.has(steps.index))


def _at_last_step(stock: Any, steps: Steps | None) -> Any:
    return stock.subs(steps.index, steps.last) if steps is not None and depends(stock, steps) else stock
