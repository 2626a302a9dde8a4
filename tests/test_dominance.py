"""Arguments of maxima that are dropped never win: in random formulas, and in the peak memory of networks."""

from typing import Any

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from dsocr_symbolic import load_model
from dsocr_symbolic.algebras.dominance import never_less, polynomial, without_dominated
from dsocr_symbolic.algebras.symbolic import maximum, nonzero, positive, symbol
from dsocr_symbolic.algebras.value import Expr
from dsocr_symbolic.evaluation import model, reduction
from dsocr_symbolic.evaluation.generated import compile_function
from dsocr_symbolic.evaluation.source import function_source

X, Y, Z = (symbol(name) for name in "xyz")
GUARDS = (positive(X), positive(Y), nonzero(X - 1), positive(2 * Y - 3))
NUMBERS = st.integers(-3, 9)


def _sum(terms: list[tuple[int, Expr, Expr]]) -> Expr:
    return sympy.Add(*(number * factor * guard for number, factor, guard in terms))


FACTORS = st.sampled_from([sympy.S.One, X, Y, Z, X * Y, Y**2, X * Z, X / (2 + Y - positive(Z)), X / nonzero(Y + 1)])
SUMS = st.lists(st.tuples(NUMBERS, FACTORS, st.sampled_from([sympy.S.One, *GUARDS])), min_size=1, max_size=4).map(_sum)


def _maximum(arguments: list[Expr]) -> Expr:
    return maximum(*arguments)


def _wrapped(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    added = st.tuples(SUMS, st.integers(-1, 3), st.sampled_from([sympy.S.One, X, *GUARDS]), inner)
    return st.lists(st.one_of(SUMS, inner, added.map(lambda each: each[0] + each[1] * each[2] * each[3])), min_size=2)


MAXIMA = st.recursive(
    st.lists(SUMS, min_size=1, max_size=4).map(_maximum), lambda inner: _wrapped(inner).map(_maximum), max_leaves=4
)
POINTS = st.fixed_dictionaries({name: st.integers(0, 5) for name in "xyz"})


@given(whole=MAXIMA, points=st.lists(POINTS, min_size=1, max_size=20))
@settings(deadline=None)
def test_a_maximum_without_what_never_wins_is_the_same(whole: Expr, points: list[dict[str, int]]) -> None:
    left = without_dominated(whole)
    run = compile_function(function_source([[sympy.sympify(whole), sympy.sympify(left)]], "xyz"))
    for point in points:
        before, after = run(point)[0]
        assert before == after


@given(left=SUMS, right=SUMS, points=st.lists(POINTS, min_size=1, max_size=20))
@settings(deadline=None)
def test_what_is_proven_holds(left: Expr, right: Expr, points: list[dict[str, int]]) -> None:
    if not never_less(polynomial(left), polynomial(right)):
        return
    run = compile_function(function_source([[left, right]], "xyz"))
    assert all(more >= less for more, less in (run(point)[0] for point in points))


def test_what_is_dropped() -> None:
    assert without_dominated(maximum(X, 2 * X, 0)) == 2 * X
    assert without_dominated(maximum(X, Y)) == maximum(X, Y)
    assert without_dominated(maximum(X, X * positive(Y))) == X
    assert without_dominated(maximum(X + maximum(Y, Z), X + 2 * Y)) == maximum(X + Z, X + 2 * Y)
    assert without_dominated(3 + Y * maximum(X + 1, X)) == 3 + Y * (X + 1)
    assert without_dominated(maximum(1 - X, 2 - X)) == maximum(1 - X, 2 - X).args[1]
    # What a maximum is taken away from, or is guarded by, may win by an argument that never wins.
    for kept in (maximum(5 - maximum(X, 1), X), maximum(positive(maximum(X, Y) - 1) + maximum(X, Y), Y)):
        assert without_dominated(kept) == kept


OVER = ("batch", "new_tokens")
PEAK = "peak_memory_bytes"


def _functions(name: str, over: tuple[str, ...]) -> tuple[Any, Any]:
    short = load_model(name).compile(PEAK, over, by="total")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reduction, "without_dominated", lambda expression: expression)
        # What was made for the short one is kept.
        patch.setattr(model, "made_once", lambda *_: _[-1]())
        return short, load_model(name).compile(PEAK, over, by="total")


@pytest.mark.parametrize("name", ["deepseek-ocr", "qwen3_moe", "gemma3_text"])
def test_the_peak_of_a_network_is_bit_for_bit_the_same(name: str) -> None:
    over = (*OVER, "text_tokens", "crop_columns", "crop_rows") if name == "deepseek-ocr" else (*OVER, "prompt_tokens")
    short, whole = _functions(name, over)
    assert short.exact.count("maximum(") < whole.exact.count("maximum(")
    random = np.random.default_rng(4)
    most = {"batch": 300, "new_tokens": 9000, "text_tokens": 5000, "prompt_tokens": 9000, "crop_columns": 4}
    points: dict[str, Any] = {key: random.integers(key != "new_tokens", high, 3000) for key, high in most.items()}
    points["crop_rows"] = np.minimum(points["crop_columns"], 2)
    given_ = {key: points[key] for key in over}
    if "crop_columns" in given_:
        given_ = {
            key: np.where((points["crop_columns"] == 1) & (key in ("crop_columns", "crop_rows")), 0, values)
            for key, values in given_.items()
        }
    np.testing.assert_array_equal(short(**given_)[PEAK]["total"], whole(**given_)[PEAK]["total"])
    for place in range(0, 3000, 300):
        single = {key: int(values[place]) for key, values in given_.items()}
        assert short(**single) == whole(**single)
