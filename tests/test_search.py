"""Boundaries by bisection: equal to looking at every value."""

import math
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsocr_symbolic.questions.solve.domain import RealDomain, WholeDomain
from dsocr_symbolic.questions.solve.search import NotMonotoneError, find_boundary, find_changes

START = st.integers(1, 300)


def axis(start: int = 1, least: int = 1, step: int = 1, most: int = 10**18) -> WholeDomain:
    return WholeDomain(start=start * step, least=least, allowed=lambda value: value % step == 0 and value <= most)


@settings(deadline=None)
@given(limit=st.integers(0, 3000), start=START, step=st.sampled_from([1, 2, 64]), power=st.integers(1, 3))
def test_the_largest_value_is_that_of_a_loop(limit: int, start: int, step: int, power: int) -> None:
    found = find_boundary(lambda value: limit**power - value**power, axis(start, step=step))
    fitting = [value for value in range(step, 3200, step) if value <= limit]
    if fitting:
        assert (found.sense, found.value, found.beyond) == ("largest", fitting[-1], fitting[-1] + step)
    else:
        assert (found.sense, found.value) == ("none", step)


@settings(deadline=None)
@given(limit=st.integers(1, 3000), start=START)
def test_the_smallest_value_is_that_of_a_loop(limit: int, start: int) -> None:
    found = find_boundary(lambda value: Fraction(1, limit) - Fraction(1, value), axis(start))
    if limit == 1:
        assert (found.sense, found.value) == ("every", None)
    else:
        assert (found.sense, found.value, found.beyond) == ("smallest", limit, limit - 1)


@settings(deadline=None)
@given(limit=st.integers(1, 40), most=st.integers(1, 40))
def test_rules_end_the_values(limit: int, most: int) -> None:
    found = find_boundary(lambda value: limit - value, axis(most=most))
    assert (found.sense, found.value) == (("every", None) if limit >= most else ("largest", limit))


def test_irregular_values_are_all_looked_at() -> None:
    divisors = [each for each in range(1, 1281) if 1280 % each == 0]
    for limit in range(1, 1300, 7):
        start = WholeDomain(start=10, least=1, allowed=divisors.__contains__)
        found = find_boundary(lambda value, limit=limit: limit - value, start)  # type: ignore[misc]
        expected = max(each for each in divisors if each <= limit)
        assert found.value == (None if expected == 1280 else expected)


@pytest.mark.parametrize("start", [1, 50, 900])
def test_a_slack_that_rises_and_falls_is_refused(start: int) -> None:
    with pytest.raises(NotMonotoneError) as caught:
        find_boundary(lambda value: 3600 - (value - 100) ** 2, axis(start))
    assert len(caught.value.points) >= 3


@settings(deadline=None)
@given(limit=st.floats(1e-6, 1e15), start=st.floats(1e-3, 1e9))
def test_real_numbers_are_found_to_the_last_bit(limit: float, start: float) -> None:
    found = find_boundary(lambda value: limit - value, RealDomain(start=start, least=1e-18))
    assert (found.sense, found.value, found.beyond) == ("largest", limit, math.nextafter(limit, math.inf))


@settings(deadline=None)
@given(edges=st.lists(st.integers(2, 5000), min_size=1, max_size=3, unique=True), start=START)
def test_all_changes_are_those_of_a_loop(edges: list[int], start: int) -> None:
    """Edges are a quarter apart or more, the resolution of the search."""
    edges.sort()
    if any(high < 3 * low for low, high in pairwise(edges)):
        edges = edges[:1]

    def slack(value: int) -> int:
        return -1 if sum(value >= edge for edge in edges) % 2 else 1

    looped = [value for value in range(2, 6000) if (slack(value) >= 0) != (slack(value - 1) >= 0)]
    found = find_changes(slack, axis(start))
    assert [max(each.value, each.beyond) for each in found] == looped
    assert [each.sense == "smallest" for each in found] == [slack(edge) >= 0 for edge in looped]


@settings(deadline=None)
@given(edge=st.floats(1e-6, 1e6), start=st.floats(1e-2, 1e2))
def test_changes_along_real_numbers(edge: float, start: float) -> None:
    (found,) = find_changes(lambda value: value - edge, RealDomain(start=start, least=1e-18))
    assert (found.sense, found.value, found.beyond) == ("smallest", edge, math.nextafter(edge, 0))


def test_what_never_changes_is_said() -> None:
    assert [each.sense for each in find_changes(lambda _: 1, axis())] == ["every"]
    assert [each.sense for each in find_changes(lambda _: -1, axis())] == ["none"]
