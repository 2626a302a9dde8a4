"""Constraints on whole numbers: what is met is what a loop finds, however it lies; what is not proven is said."""

import os
import random
import time
from fractions import Fraction
from functools import cache
from typing import Any

import pytest
from test_cli import dsocr

from dsocr_symbolic import Model, UserError, load_model, solve
from dsocr_symbolic.algebras import arithmetic, spans
from dsocr_symbolic.language.expression import evaluate, parse
from dsocr_symbolic.language.registry import Term, load_metrics
from dsocr_symbolic.questions.curve import Curve
from dsocr_symbolic.questions.question import Question, ask
from dsocr_symbolic.questions.solve.constraint import read_constraint
from dsocr_symbolic.questions.solve.finding import find
from dsocr_symbolic.questions.solve.problem import pose
from dsocr_symbolic.questions.solve.search import Boundary
from dsocr_symbolic.questions.solve.survey import Judged, Judgement, looked_at, next_allowed, survey


@cache
def model() -> Model:
    return load_model()


@cache
def question(workload: str) -> Question:
    return ask(model(), workload=workload)


# without a network


def judged(slack: str, rule: str = "1") -> Judged:
    """Judge by a formula of x that must not be negative, and one that is 1 where x is allowed."""
    formula, allowed = parse(slack, "test"), parse(rule, "test")

    def decide(value: int) -> Judgement:
        if not evaluate(allowed, {"x": value}, arithmetic):
            return Judgement.BARRED
        return Judgement.MET if evaluate(formula, {"x": value}, arithmetic) >= 0 else Judgement.UNMET

    def along(ranges: Any) -> dict[str, Any]:
        return {"x": spans.between([low for low, _ in ranges], [high for _, high in ranges])}

    def bars(ranges: Any) -> Any:
        kept = evaluate(allowed, along(ranges), spans)
        return [Judgement.BARRED if broken else Judgement.OPEN for broken in spans.below(kept, 0.5, len(ranges))]

    def judge(ranges: Any) -> Any:
        met, unmet = spans.signs(spans.span(evaluate(formula, along(ranges), spans)), 0, len(ranges))
        ways = zip(bars(ranges), met, unmet, strict=True)
        return [
            bar if bar == Judgement.BARRED else Judgement.MET if good else Judgement.UNMET if bad else Judgement.OPEN
            for bar, good, bad in ways
        ]

    return Judged(judge=judge, bars=bars, decide=decide)


@pytest.mark.parametrize(
    ("slack", "rule"),
    [
        ("0 - (x - 20)**2", "1"),
        ("(x - 3)*(5 - x)", "1"),
        ("(x - 3)*(x - 17)*(x - 400)", "1"),
        ("2 - (x == 7)*3 - (x > 900)*5", "1"),
        ("1280 % x - 100", "1"),
        ("x - 300", "1280 % x == 0"),
        ("500 - x", "1280000 % x == 0 and x % 2 == 0"),
        ("x**2 - 90000", "x % 64 == 0"),
        ("1/(x - 12)", "x < 12 or x > 12"),
    ],
)
def test_stretches_are_those_of_a_loop(slack: str, rule: str) -> None:
    ways = judged(slack, rule)
    stretches, looked = looked_at(ways, survey(ways, 1, 10**18))
    assert looked is None
    assert stretches
    for value in range(1, 3000):
        verdict = ways.decide(value)
        inside = [stretch.verdict for stretch in stretches if stretch.first <= value <= stretch.last]
        assert verdict == Judgement.BARRED or inside == [verdict], value
    for stretch in stretches:
        assert ways.decide(stretch.first) == ways.decide(stretch.last) == stretch.verdict


def test_the_next_allowed_value_may_be_far_and_there_may_be_none() -> None:
    divides = judged("x", "128000000 % x == 0")
    assert next_allowed(divides, 64_000_001, 10**18) == 128_000_000
    assert next_allowed(divides, 128_000_001, 10**18) is None
    assert next_allowed(divides, 1, 127_999_999, down=True) == 64_000_000


def test_what_changes_all_the_way_is_looked_at_and_said_so() -> None:
    ways = judged("3 - x % 7")
    stretches, looked = looked_at(ways, survey(ways, 1, 10**18))
    assert looked is not None
    assert looked.count < 1_000
    assert looked.last == 10**18
    sure = [stretch for stretch in stretches if stretch.last < looked.first]
    assert len(sure) > 30
    assert all(stretch.verdict == ways.decide(value) for stretch in sure for value in (stretch.first, stretch.last))


# of the network


def met(boundary: Boundary, value: int) -> bool:
    if boundary.sense in ("every", "none"):
        return boundary.sense == "every"
    return any(run.first <= value and (run.last is None or value <= run.last) for run in boundary.runs)


def symbols() -> list[str]:
    known = question("gundam").definition.quantities.items()
    return [name for name, quantity in known if not quantity.real and not quantity.fixed]


# Each third; DSOCR_ALL_ANCHORS looks at all of them.
@pytest.mark.parametrize("symbol", symbols()[:: 1 if "DSOCR_ALL_ANCHORS" in os.environ else 3])
def test_every_whole_symbol_is_solved_as_a_loop_does(symbol: str) -> None:
    """A metric of any kind, with limits just below, at and above what it is at allowed values."""
    drawn = random.Random(symbol)
    asked = question(drawn.choice(["gundam", "base"]))
    metric = drawn.choice([name for name, known in load_metrics().items() if known.kind != "null"])
    least, start = asked.definition.quantities[symbol].least, int(asked.numbers[symbol])
    curve = Curve(question=asked, symbol=symbol, terms=(Term(paths=("",), metric=metric),))
    values: dict[int, Any] = {}
    for value in {*range(least, least + 24), *range(max(least, start - 4), start + 5), start * 2, 320, 640, 1280}:
        try:
            curve.check(value)
            values[value] = curve.metrics(curve.scope(value))[0]
        except (UserError, ZeroDivisionError):
            continue
    limit = drawn.choice(list(values.values()))
    for beside in (0, drawn.choice([-1, 1]) * (1 if isinstance(limit, int) else abs(limit) / 10**9)):
        sign = drawn.choice(["<=", ">="])
        text = f"{metric} {sign} {arithmetic.whole(limit + beside)!r}"
        constraint = read_constraint(text, asked.definition.quantities, "roofline")
        try:
            boundary, _ = find(pose(asked, symbol, constraint))
        except UserError as error:
            assert "no other value than" in str(error)  # noqa: PT017
            assert len(values) == 1
            continue
        right = Fraction(text.rsplit(maxsplit=1)[-1])
        over = {value: (right - left if sign == "<=" else left - right) for value, left in values.items()}
        wrong = [value for value, slack in over.items() if met(boundary, value) != (slack >= 0)]
        looked = boundary.looked
        assert all(looked and looked.first <= value <= looked.last for value in wrong), (text, boundary)


def test_isolated_values_are_found() -> None:
    """Stored positions are interpolated unless they fit: one size of the table costs least."""
    curve = Curve(
        question=question("large"),
        symbol="clip_table_grid",
        terms=(Term(paths=("",), metric="forward_cuda_core_flops"),),
    )
    least = curve.metrics(curve.scope(20))[0]
    found = solve("clip_table_grid", f"forward_cuda_core_flops <= {least}", model=model(), workload="large")
    looped = [value for value in range(1, 200) if curve.metrics(curve.scope(value))[0] <= least]
    assert 20 in looped
    assert [value for run in found.runs for value in range(run.first, (run.last or run.first) + 1)] == looped
    assert found.looked is None
    assert (found.sense, found.value) == ("largest", max(looped))


@pytest.mark.parametrize(
    "symbol", ["num_experts_per_tok", "n_routed_experts", "num_attention_heads", "first_k_dense_replace"]
)
def test_rules_bound_the_search(symbol: str) -> None:
    for constraint in ("ttft_s <= 0.04", "operator_launches >= 600000", "forward_weight_bytes <= 1e10"):
        started = time.process_time()
        try:
            found = solve(symbol, constraint, model=model(), workload="gundam")
        except UserError as error:
            assert str(error).startswith(f"no {symbol} meets")  # noqa: PT017
            continue
        assert time.process_time() - started < 30
        point = found.at
        if point is not None:
            assert (point.left <= point.right) == ("<=" in constraint)
            assert found.beyond is not None
            assert (found.beyond.left <= found.beyond.right) != ("<=" in constraint)


@pytest.mark.parametrize(
    "metric", [name for name, known in load_metrics().items() if known.step and known.kind != "null"]
)
def test_a_training_step_is_solved_for(metric: str) -> None:
    found = solve("batch", f"{metric} <= 3e12", model=model(), workload="base")
    assert found.metrics == (metric,)
    if found.value is not None:
        assert found.at is not None
        assert found.beyond is not None
        assert found.at.left <= found.at.right < found.beyond.left
        assert found.beyond.value == found.value + 1


def test_a_real_symbol_stays_within_the_rules() -> None:
    every = solve("decode_experts_hit", "tpot_s <= 1", model=model(), workload="gundam")
    assert every.sense == "every"
    with pytest.raises(UserError, match="at 1, which comes closest, 1 < 2"):
        solve("memory_utilisation", "memory_utilisation >= 2", model=model())


@pytest.mark.parametrize(
    ("symbol", "constraint", "said"),
    [
        ("batch", "-1 <= forward_io_bytes", "every batch that the model allows"),
        ("batch", "-batch <= -3", "batch = 3: the smallest"),
        ("num_attention_heads", "roofline_s <= 2", "every num_attention_heads that the model allows"),
        ("batch", "batch % 7 <= 3", "met at 1 to 3, 7 to 10"),
    ],
)
def test_odd_constraints_have_an_answer(symbol: str, constraint: str, said: str) -> None:
    answer = dsocr("solve", symbol, constraint)
    assert (answer.status, answer.err) == (0, "")
    assert said in answer.out


@pytest.mark.parametrize(
    ("constraint", "said"),
    [
        ("forward_io_bytes <= -1", "745 GB > -1 B"),
        ("ttft_s <= 1/0", "divides by 0"),
        ("batch % 0 <= 1", "divides by 0"),
        ("power(-2, 1/2) >= ttft_s", "a side has no value there"),
    ],
)
def test_odd_constraints_have_no_answer_in_one_line(constraint: str, said: str) -> None:
    answer = dsocr("solve", "batch", constraint)
    assert (answer.status, answer.out) == (2, "")
    assert said in answer.err
    assert answer.err.count("\n") == 1
