"""What one call of a formula costs: its expressions and tensors evaluated in an algebra."""

from collections.abc import Iterable, Mapping
from functools import reduce
from operator import mul
from types import ModuleType

from dsocr_symbolic.algebras.value import Expr, Value
from dsocr_symbolic.errors import UserError, nearest
from dsocr_symbolic.language.expression import Expression, evaluate, names, ordered_names
from dsocr_symbolic.language.formula import Formula, Gradient, Operator, Tensor, outputs
from dsocr_symbolic.network.node import Launch, Required, Scope, Site, Steps, Stock

READS = ("input", "inplace", "weight")
WRITES = ("output", "inplace")
_MOST_KNOWN = 100_000


def value(expression: Expression, scope: Scope, algebra: ModuleType) -> Expr:
    """Evaluate an expression; a symbol without a value is a UserError."""
    text = expression.text
    if text in scope:
        # Of all formulas only a symbol alone is spelled as one.
        return scope[text]
    try:
        known = getattr(algebra, "known", None)
        if known is None:
            return evaluate(expression, scope, algebra)
        given = tuple([scope[name] for name in ordered_names(expression)])
        # Python's 1 equals sympy's, and what is made of them differs.
        if int in map(type, given):
            return evaluate(expression, scope, algebra)
        if len(known) > _MOST_KNOWN:
            known.clear()
        key = (text, given)
        if key not in known:
            known[key] = evaluate(expression, scope, algebra)
        return known[key]
    except KeyError as error:
        name = str(error.args[0])
        raise UserError(f"{expression.text}: unknown symbol '{name}': {nearest(name, scope)}") from error
    except ZeroDivisionError as error:
        zero = ", ".join(name for name in sorted(names(expression)) if scope.get(name) == 0)
        raise UserError(f"{expression.text} divides by 0{f', where this is 0: {zero}' if zero else ''}") from error


def elements(shape: Iterable[Expression], scope: Scope, algebra: ModuleType) -> Expr:
    """Multiply the sizes of a shape."""
    sizes = [value(size, scope, algebra) for size in shape]
    return reduce(mul, sizes) if sizes else algebra.number(1)


def size(tensor: Tensor, scope: Scope, algebra: ModuleType) -> Expr:
    """Return the bytes of a whole tensor."""
    return elements(tensor.shape, scope, algebra) * value(tensor.dtype, scope, algebra)


def read_size(tensor: Tensor, scope: Scope, algebra: ModuleType) -> Expr:
    """Return the bytes that one launch reads of a tensor."""
    return elements(tensor.read, scope, algebra) * value(tensor.dtype, scope, algebra)


def forward_launch(operator: Operator, scope: Scope, algebra: ModuleType) -> Launch:
    """Return what one launch of an operator costs: FLOPs, and the bytes of every tensor that it reads and writes."""
    moved = algebra.number(0)
    for tensor in operator.tensors.values():
        if tensor.role in READS and tensor.runs:
            moved += read_size(tensor, scope, algebra)
        if tensor.role in WRITES:
            moved += size(tensor, scope, algebra)
    return Launch(
        tensor_core_flops=value(operator.tensor_core_flops, scope, algebra),
        cuda_core_flops=value(operator.cuda_core_flops, scope, algebra),
        io_bytes=moved,
    )


def either(conditions: Iterable[Expr]) -> Expr:
    """Return 1 if any condition is 1, else 0."""
    distinct = list(dict.fromkeys(condition for condition in conditions if condition != 0))
    if not distinct:
        return 0
    if len(distinct) == 1 or 1 in distinct:
        return 1 if 1 in distinct else distinct[0]
    opposite: Expr = 1
    for condition in distinct:
        opposite = opposite * (1 - condition)
    return 1 - opposite


def times(*factors: Expr) -> Expr:
    """Multiply; Python's 1, which conditions that always hold are, costs nothing."""
    telling = [factor for factor in factors if type(factor) is not int or factor != 1]
    return reduce(mul, telling) if telling else 1


def both(first: Expr, second: Expr) -> Expr:
    """Return 1 if two conditions are 1, else 0."""
    return first if first == second else first * second


def backward_launch(
    operator: Operator,
    launches: Iterable[tuple[Gradient, Expr]],
    needed: Mapping[str, Expr],
    scope: Scope,
    algebra: ModuleType,
) -> Launch:
    """Return what an operator's backward costs, all launches together; each reads the first output's gradient, too."""
    products = work = moved = algebra.number(0)
    for launch, runs in launches:
        guard = algebra.number(1) if launch.when is None else value(launch.when, scope, algebra)
        products += guard * runs * value(launch.tensor_core_flops, scope, algebra)
        work += guard * runs * value(launch.cuda_core_flops, scope, algebra)
        moved += guard * gradient_bytes(operator, launch, scope, algebra, runs=runs, needed=needed)
    return Launch(tensor_core_flops=products, cuda_core_flops=work, io_bytes=moved)


def gradient_bytes(
    operator: Operator, launch: Gradient, scope: Scope, algebra: ModuleType, *, runs: Expr, needed: Mapping[str, Expr]
) -> Expr:
    """Return the bytes that one launch of a backward reads and writes."""
    read: Expr = sum(read_size(operator.tensors[name], scope, algebra) for name in launch.reads)
    if launch.takes is None:
        read += sum(size(operator.tensors[name], scope, algebra) for name in outputs(operator)[:1])
    else:
        read += value(launch.takes, scope, algebra)
    given = [name for name in launch.gives if name in needed]
    written = sum(needed[name] * size(operator.tensors[name], scope, algebra) for name in given)
    moved: Expr = runs * (read + 2 * value(launch.between, scope, algebra)) + written
    return moved


def needed_gradients(operator: Operator, inputs: Mapping[str, Expr], trained: Expr) -> dict[str, Expr]:
    """Return of which tensors a training step needs the gradient, each with its condition of 1 or 0.

    Nothing needs one where nothing is trained; else inputs as their values say, and all weights that run.
    """
    conditions = {name: both(trained, condition) for name, condition in inputs.items()}
    weights = (name for name, tensor in operator.tensors.items() if tensor.role == "weight" and tensor.runs)
    conditions |= dict.fromkeys(weights, trained)
    return {name: condition for name, condition in conditions.items() if condition != 0}


def running_gradients(operator: Operator, needed: Mapping[str, Expr]) -> list[tuple[Gradient, Expr]]:
    """Return the backward launches that a training step runs, those that give one it needs, each with its condition."""
    launches = [
        (launch, either(needed[name] for name in launch.gives if name in needed)) for launch in operator.backward or ()
    ]
    return [(launch, runs) for launch, runs in launches if runs != 0]


def owns(formula: Formula) -> bool:
    """Say whether a formula has weights of its own that run."""
    return any(tensor.role == "weight" and tensor.runs for tensor in formula.tensors.values())


def owned(formula: Formula, module: str, copies: Value, steps: Steps | None, site: Site) -> tuple[Stock, ...]:
    """Return what a formula declares, all copies together: over steps the last state counts."""
    stocks = []
    zero = site.algebra.number(0)
    for name, tensor in formula.tensors.items():
        if tensor.role not in ("weight", "cache"):
            continue
        count: Expr = copies * elements(tensor.shape, site.scope, site.algebra)
        if steps is not None and depends(count, steps):
            count = count.subs(steps.index, steps.last)
        content = count * value(tensor.dtype, site.scope, site.algebra)
        weight = tensor.role == "weight"
        stocks.append(
            Stock(
                key=f"{module}.{name}",
                parameters=count if weight else zero,
                weight_bytes=content if weight else zero,
                kv_cache_bytes=zero if weight else content,
                gradient_bytes=site.scope["trained"] * content if weight and tensor.runs else zero,
            )
        )
    return tuple(stocks)


def required(formula: Formula, site: Site) -> Required:
    """Return the bytes that a call cannot avoid: its weights read once, its cache read once and appended once."""
    weights = past = cache = site.algebra.number(0)
    for tensor in formula.tensors.values():
        if tensor.role == "weight" and tensor.runs:
            weights += read_size(tensor, site.scope, site.algebra)
        if tensor.role == "past":
            past += size(tensor, site.scope, site.algebra)
        if tensor.role == "cache":
            cache += size(tensor, site.scope, site.algebra)
    return Required(weights=weights, cache_read=past, cache_written=cache - past)


def joined(*parts: Required) -> Required:
    """Add up what several calls require."""
    return Required(
        weights=sum(part.weights for part in parts),
        cache_read=sum(part.cache_read for part in parts),
        cache_written=sum(part.cache_written for part in parts),
    )


def read_once(formula: Formula, module: str, distinct: Value, site: Site) -> dict[str, Expr]:
    """Return the bytes of each weight that is read at least, given the distinct modules that run."""
    running = {name: tensor for name, tensor in formula.tensors.items() if tensor.role == "weight" and tensor.runs}
    return {
        f"{module}.{name}": distinct
        * elements(tensor.least, site.scope, site.algebra)
        * value(tensor.dtype, site.scope, site.algebra)
        for name, tensor in running.items()
    }


def depends(value: Expr, steps: Steps) -> bool:
    """Say whether a value depends on the step."""
    return hasattr(value, "has") and bool(value.has(steps.index))
