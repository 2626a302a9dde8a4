"""Print sympy expressions as Python source: shared parts once, divisions exact."""

from collections import Counter
from collections.abc import Iterable, Sequence

from dsocr_symbolic.algebras.value import Expr
from dsocr_symbolic.evaluation.spelling import Spelling

# Functions that Python has an operator for; the others go by their names.
_OPERATORS = {"modulo": "({} % {})"}


def function_source(rows: Sequence[Sequence[Expr]], symbols: Iterable[str]) -> str:
    """Write ``def run(v): ...``, from values by symbol to a tuple of each row, of arithmetic's primitives alone."""
    counts: Counter[Expr] = Counter()
    for row in rows:
        for expression in row:
            _count(expression, counts)
    python = _Python({part for part, count in counts.items() if count > 1 and part.args})
    outputs = [f"({''.join(python.part(expression) + ', ' for expression in row)})" for row in rows]
    used = {part.name for part in counts if part.is_Symbol}
    unpack = [f"    s_{name} = v['{name}']" for name in symbols if name in used]
    columns = [f"    c{place} = {row}" for place, row in enumerate(outputs)]
    returned = "".join(f"c{place}, " for place in range(len(outputs)))
    return "\n".join(["def run(v):", *unpack, *python.m_lines, *columns, f"    return ({returned})", ""])


def _count(expression: Expr, counts: Counter[Expr]) -> None:
    """Count every part once per place it stands in, not again inside a part already seen."""
    counts[expression] += 1
    if counts[expression] == 1:
        for part in expression.args:
            _count(part, counts)


class _Python(Spelling[str]):
    """Prints expressions and collects one assignment for each shared part."""

    def __init__(self, shared: set[Expr]) -> None:
        self.m_shared = shared
        self.m_names: dict[Expr, str] = {}
        self.m_products: dict[str, str] = {}
        self.m_lines: list[str] = []

    def part(self, expression: Expr) -> str:
        """Return source for an expression; a shared one becomes a name."""
        if expression in self.m_names:
            return self.m_names[expression]
        text = self.spelled(expression)
        if expression not in self.m_shared:
            return text
        name = f"t{len(self.m_names)}"
        self.m_lines.append(f"    {name} = {text}")
        self.m_names[expression] = name
        return name

    def number(self, value: Expr) -> str:
        """Write a whole number or an exact quotient."""
        if value.is_Integer:
            whole = int(value)
            return str(whole) if whole >= 0 else f"({whole})"
        return f"divide({int(value.p)}, {int(value.q)})"

    def factor(self, whole: int) -> str:
        """Write digits."""
        return str(whole)

    def real(self, value: float) -> str:
        """Write digits that give it back."""
        return repr(value)

    def symbol(self, name: str) -> str:
        """Write the name it is unpacked to."""
        return f"s_{name}"

    def added(self, parts: Sequence[str]) -> str:
        """Join terms."""
        return f"({' + '.join(parts)})"

    def product(self, above: Sequence[str], below: Sequence[str]) -> str:
        """Join factors; a quotient has a function of its own."""
        numerator = "*".join(above) or "1"
        return f"divide({numerator}, {self._named(below)})" if below else f"({numerator})"

    def raised(self, base: str, exponent: int) -> str:
        """Write a power."""
        return f"{base}**{exponent}"

    def steps(self, last: str, lines: Sequence[tuple[str, str]]) -> str:
        """Write lines as a tuple of pairs."""
        pairs = "".join(f"({intercept}, {slope}), " for intercept, slope in lines)
        return f"sum_maxima(({pairs}), {last})"

    def called(self, function: str, arguments: Sequence[str]) -> str:
        """Write a call, or the operator."""
        operator = _OPERATORS.get(function)
        return operator.format(*arguments) if operator else f"{function}({', '.join(arguments)})"

    def _named(self, factors: Sequence[str]) -> str:
        """Return a product by a name of its own: many quotients share what they are divided by."""
        text = "*".join(factors)
        if len(factors) == 1:
            return text
        if text not in self.m_products:
            self.m_products[text] = f"d{len(self.m_products)}"
            self.m_lines.append(f"    {self.m_products[text]} = {text}")
        return self.m_products[text]
