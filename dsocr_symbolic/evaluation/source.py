"""Print sympy expressions as Python source: shared parts once, divisions exact."""

from collections import Counter
from collections.abc import Iterable, Sequence

import sympy

from dsocr_symbolic.algebras import symbolic
from dsocr_symbolic.algebras.value import Expr

_FUNCTIONS = {
    symbolic.positive: "positive",
    symbolic.nonzero: "nonzero",
    symbolic.maximum: "maximum",
    symbolic.minimum: "minimum",
    symbolic.power: "power",
    sympy.ceiling: "ceiling",
    sympy.floor: "floor",
}


def function_source(rows: Sequence[Sequence[Expr]], symbols: Iterable[str]) -> str:
    """Write ``def run(v): ...``, which takes a mapping of values and returns a tuple of each row.

    It calls only the primitives of :mod:`~dsocr_symbolic.algebras.arithmetic`.
    """
    counts: Counter[Expr] = Counter()
    for row in rows:
        for expression in row:
            _count(expression, counts)
    writer = _Writer({part for part, count in counts.items() if count > 1 and part.args})
    outputs = [f"({''.join(writer.write(expression) + ', ' for expression in row)})" for row in rows]
    used = {str(part) for part in counts if part.is_Symbol}
    unpack = [f"    s_{name} = v['{name}']" for name in symbols if name in used]
    return "\n".join(["def run(v):", *unpack, *writer.m_lines, f"    return ({', '.join(outputs)},)", ""])


def _count(expression: Expr, counts: Counter[Expr]) -> None:
    """Count every part once per place it stands in, not again inside a part already seen."""
    counts[expression] += 1
    if counts[expression] == 1:
        for part in expression.args:
            _count(part, counts)


class _Writer:
    """Prints expressions and collects one assignment for each shared part."""

    def __init__(self, shared: set[Expr]) -> None:
        self.m_shared = shared
        self.m_names: dict[Expr, str] = {}
        self.m_products: dict[str, str] = {}
        self.m_lines: list[str] = []

    def write(self, expression: Expr) -> str:
        """Return source for an expression; a shared one becomes a name."""
        if expression in self.m_names:
            return self.m_names[expression]
        text = self._text(expression)
        if expression not in self.m_shared:
            return text
        name = f"t{len(self.m_names)}"
        self.m_lines.append(f"    {name} = {text}")
        self.m_names[expression] = name
        return name

    def _text(self, expression: Expr) -> str:
        if expression.is_Integer:
            return str(expression) if expression >= 0 else f"({expression})"
        if expression.is_Rational:
            return f"divide({expression.p}, {expression.q})"
        if expression.is_Float:
            return repr(float(expression))
        if expression.is_Symbol:
            return f"s_{expression}"
        if expression.is_Add:
            return "(" + " + ".join(self.write(part) for part in expression.args) + ")"
        if expression.is_Mul or expression.is_Pow:
            return self._product(expression)
        if isinstance(expression, sympy.Mod):
            return f"({self.write(expression.args[0])} % {self.write(expression.args[1])})"
        if isinstance(expression, symbolic.sum_maxima):
            last, *ends = (self.write(part) for part in expression.args)
            lines = "".join(f"({ends[place]}, {ends[place + 1]}), " for place in range(0, len(ends), 2))
            return f"sum_maxima(({lines}), {last})"
        arguments = ", ".join(self.write(part) for part in expression.args)
        return f"{_FUNCTIONS[expression.func]}({arguments})"

    def _product(self, expression: Expr) -> str:
        above, below = [], []
        for factor in sympy.Mul.make_args(expression):
            if factor.is_Rational:
                above += [str(factor.p)] if factor.p != 1 else []
                below += [str(factor.q)] if factor.q != 1 else []
            elif factor.is_Pow and factor.exp.is_Integer and factor.exp < 0:
                below.append(self._power(factor.base, -factor.exp))
            elif factor.is_Pow and factor.exp.is_Integer:
                above.append(self._power(factor.base, factor.exp))
            else:
                above.append(self.write(factor))
        numerator = "*".join(above) or "1"
        return f"divide({numerator}, {self._named(below)})" if below else f"({numerator})"

    def _named(self, factors: list[str]) -> str:
        """Return a product by a name of its own: many quotients share what they are divided by."""
        text = "*".join(factors)
        if len(factors) == 1:
            return text
        if text not in self.m_products:
            self.m_products[text] = f"d{len(self.m_products)}"
            self.m_lines.append(f"    {self.m_products[text]} = {text}")
        return self.m_products[text]

    def _power(self, base: Expr, exponent: Expr) -> str:
        return self.write(base) if exponent == 1 else f"{self.write(base)}**{exponent}"
