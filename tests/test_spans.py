"""Intervals hold every value that arithmetic gives within them."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsocr_symbolic.algebras import arithmetic, spans
from dsocr_symbolic.language.expression import evaluate, parse

FORMULAS = [
    "(x + 2)*(x - 11) + x/(x + 1)",
    "(x - 20)**2 - 7*x/3",
    "Max(3*x, 60, x**2)*Min(x, 7) - x",
    "ceiling(x/14)*14*x - floor(x/5)",
    "x % 7 + (5*x) % (x + 3) - x/3",
    "(x > 10)*x + (x == 20)*5 + (x != 30 and x < 50)",
    "64*(1 - power(1 - 6/(x + 7), 9*x))*x",
    "1/(x - 12)",
]


@pytest.mark.parametrize("text", FORMULAS)
@settings(max_examples=40, deadline=None)
@given(low=st.integers(0, 80), width=st.integers(0, 12))
def test_every_value_of_a_range_lies_within(text: str, low: int, width: int) -> None:
    formula = parse(text, "test")
    # Two ranges at once, one of them a single value.
    found = spans.span(evaluate(formula, {"x": spans.between([low, low], [low + width, low])}, spans))
    for value in range(low, low + width + 1):
        try:
            exact = evaluate(formula, {"x": value}, arithmetic)
        except ZeroDivisionError:
            exact = 0
            assert found.low.tolist()[0] == -float("inf")
        off = 1e-12 * abs(exact)
        assert found.low.tolist()[0] - off <= exact <= found.high.tolist()[0] + off
        if value == low and "power" not in text and "- 12" not in text:
            assert found.high.tolist()[1] - found.low.tolist()[1] <= 1e-13 * max(1, abs(exact))


LINE = st.tuples(st.integers(0, 500), st.integers(0, 9))


@settings(max_examples=40, deadline=None)
@given(lines=st.lists(LINE, min_size=1, max_size=4), last=st.integers(0, 40), more=st.integers(0, 5))
def test_a_sum_of_maxima_lies_within(lines: list[Any], last: int, more: int) -> None:
    found = spans.sum_maxima(lines, spans.between([last], [last + more]))
    for steps in range(last, last + more + 1):
        exact = arithmetic.sum_maxima(lines, steps)
        assert found.low.item() <= exact <= found.high.item()


def test_whole_numbers_are_not_rounded_until_they_are_long() -> None:
    some = spans.between([3, 10**17], [3, 10**17])
    product = some * 7 + 1
    assert (product.low[0], product.high[0]) == (22, 22)
    assert product.low[1] < 7 * 10**17 + 1 < product.high[1]
    assert (10**400 * some).high.tolist() == [float("inf")] * 2
    quotient = spans.divide(some, 3)
    assert (quotient.low[0], quotient.high[0]) == (1, 1)
