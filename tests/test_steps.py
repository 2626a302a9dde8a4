"""Sums over steps in closed form against the same sums step by step."""

from fractions import Fraction

import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from dsocr_symbolic.algebras import arithmetic, symbolic
from dsocr_symbolic.algebras.exact import evaluator
from dsocr_symbolic.algebras.steps import sum_steps
from dsocr_symbolic.language.expression import evaluate, parse

NUMBERS = {"p": st.integers(0, 40), "w": st.integers(2, 30), "q": st.integers(1, 9), "n": st.integers(0, 40)}
TERMS = [
    "3*step**2 + p",
    "Min(p + step, w)",
    "step*Min(p + step - 1, w - 1)**2 + p",
    "Max(0, p + step - w)*(step + 1)",
    "(p + step > w)*step + (step <= w)",
    "(p > 2*step)*w",
    "ceiling((p + step)/q)*step + 2",
    "floor((p + step)/q)**2",
    "(p + step) % q + step",
    "ceiling(Min(p + step, w)/q)*Min(p + step, w)",
    "Min(p + step, w, 2*step)*(p + step > w)",
    "Min(2*p + 3*step, w)",
]


@pytest.mark.parametrize("text", TERMS)
@given(numbers=st.fixed_dictionaries(NUMBERS))
def test_a_closed_sum_is_the_sum_of_its_steps(text: str, numbers: dict[str, int]) -> None:
    formula, step = parse(text, text), sympy.Symbol("step", nonnegative=True)
    scope = {name: symbolic.symbol(name) for name in (*NUMBERS, "step")}
    closed = sum_steps(evaluate(formula, scope, symbolic), step, symbolic.symbol("n"))
    one_by_one = sum(evaluate(formula, {**numbers, "step": at}, arithmetic) for at in range(1, numbers["n"] + 1))
    assert Fraction(evaluator(numbers)(closed)) == one_by_one


@pytest.mark.parametrize(
    "text", ["power(2, step)", "Min(step*p, w)", "Min(step*step, w)", "ceiling(step/q)*ceiling(step/w)"]
)
def test_what_has_no_closed_sum_is_refused(text: str) -> None:
    scope = {name: symbolic.symbol(name) for name in (*NUMBERS, "step")}
    with pytest.raises(ValueError, match=r"step|polynomial"):
        sum_steps(evaluate(parse(text, text), scope, symbolic), scope["step"], symbolic.symbol("n"))
