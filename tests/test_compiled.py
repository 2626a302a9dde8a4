"""Compiled functions: exact substitution on numbers, the same in float64 on arrays."""

import math
import pickle
import re
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import attrs
import numpy as np
import pytest
import sympy
from conftest import evaluate_model
from hypothesis import given, settings
from hypothesis import strategies as st

from dsocr_symbolic import UserError, load_model
from dsocr_symbolic.algebras import arrays
from dsocr_symbolic.algebras.symbolic import maximum, positive, symbol
from dsocr_symbolic.evaluation.compiled import Compiled
from dsocr_symbolic.evaluation.kernel import refuse_points
from dsocr_symbolic.evaluation.reduction import in_decimals, nested, reduced
from dsocr_symbolic.language.registry import load_metrics

MODEL = load_model("deepseek-ocr")
FLOWS = ("forward_tensor_core_flops", "forward_cuda_core_flops", "forward_io_bytes", "operator_launches", "roofline_s")
METRICS = (*FLOWS, "parameters", "forward_weight_bytes", "forward_kv_cache_bytes", "forward_arithmetic_intensity")
FEW = ("batch", "crop_columns", "crop_rows", "text_tokens", "new_tokens")
HITS = ("prefill_experts_hit", "decode_experts_hit")
FREE = tuple(name for name, each in MODEL.definition.quantities.items() if not each.fixed and each.group != "derived")
CHOICES = ({}, {"attention": "eager", "experts": "grouped"}, {"precision": "autocast", "weight_dtype": "int4"})
WORKLOADS = st.fixed_dictionaries(
    {
        "batch": st.integers(1, 1000),
        "grid": st.sampled_from([(0, 0), (2, 1), (1, 3), (3, 2), (3, 3)]),
        "text_tokens": st.integers(0, 10**6),
        "new_tokens": st.integers(0, 10**5),
    }
).map(lambda each: each | {"crop_columns": each["grid"][0], "crop_rows": each["grid"][1]})
SIZES = st.fixed_dictionaries(
    {
        "base_size": st.integers(1, 40).map(lambda each: 64 * each),
        "image_size": st.integers(1, 40).map(lambda each: 64 * each),
        "num_attention_heads": st.sampled_from([2, 5, 10, 20]),
        "num_hidden_layers": st.integers(1, 60),
        "n_routed_experts": st.integers(8, 256),
        "num_experts_per_tok": st.integers(1, 8),
        "vocab_size": st.integers(1, 10**6),
    }
)


@cache
def _compiled(over: tuple[str, ...], place: int = 0, **options: Any) -> Compiled:
    return load_model(**CHOICES[place]).compile(METRICS, over, workload="base", **options)


def _given(workload: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in workload.items() if name != "grid"}


def _same(found: Any, expected: Any, metric: str) -> None:
    """Whole numbers are equal; what float64 had a part in agrees to its last digits."""
    if expected is None or found is None:
        assert found is expected, metric
    else:
        assert found == pytest.approx(expected, rel=1e-9 if load_metrics()[metric].kind == "time" else 1e-13), metric


def _compare(result: Any, expected: Any) -> None:
    for metric in METRICS:
        for part, metrics in {**expected.stages, "total": expected.total}.items():
            _same(result[metric][part], metrics[metric], metric)


@pytest.mark.parametrize("place", range(len(CHOICES)))
@given(workload=WORKLOADS)
@settings(max_examples=15, deadline=None)
def test_few_inputs_give_what_substitution_gives(place: int, workload: dict[str, Any]) -> None:
    values = _given(workload)
    _compare(_compiled(FEW, place)(**values), evaluate_model("base", values, **CHOICES[place]))


@given(workload=WORKLOADS, sizes=SIZES)
@settings(max_examples=15, deadline=None)
def test_every_symbol_may_be_an_input(workload: dict[str, Any], sizes: dict[str, Any]) -> None:
    values = _given(workload) | sizes
    expected = evaluate_model("base", values)
    every = {name: value for name, value in expected.values.numbers.items() if name in FREE}
    _compare(_compiled(FREE)(**every), expected)


@given(workload=WORKLOADS, hits=st.tuples(st.integers(6, 64), st.integers(6, 6)))
@settings(max_examples=25, deadline=None)
def test_counts_of_whole_inputs_are_exact(workload: dict[str, Any], hits: tuple[int, int]) -> None:
    values = _given(workload) | dict(zip(HITS, hits, strict=True))
    expected = evaluate_model("base", values)
    found = _compiled((*FEW, *HITS))(**values)
    for metric in METRICS:
        if load_metrics()[metric].kind in ("flow", "stock"):
            for part, metrics in {**expected.stages, "total": expected.total}.items():
                assert type(found[metric][part]) is int
                assert found[metric][part] == metrics[metric], (metric, part)


def test_counts_above_64_bits_are_exact() -> None:
    values = {"batch": 10**9, "crop_columns": 3, "crop_rows": 2, "text_tokens": 10**9, "new_tokens": 10**9 + 1}
    found = _compiled(FEW)(**values)["forward_tensor_core_flops"]
    expected = evaluate_model("base", values)
    assert found["total"] > 2**63
    assert found["total"] == expected.total["forward_tensor_core_flops"] == sum(expected_stages(expected))
    for kind in (np.int64, np.uint64):
        single = _compiled(FEW)(**{name: kind(value) for name, value in values.items()})
        assert single["forward_tensor_core_flops"] == found


def expected_stages(expected: Any) -> list[int]:
    return [metrics["forward_tensor_core_flops"] for metrics in expected.stages.values()]


@pytest.mark.parametrize("kind", ["int8", "uint8", "int32", "int64", "uint64", "float16", "float32", "float64"])
def test_arrays_of_any_width_do_not_wrap(kind: str) -> None:
    values = {"batch": 100, "crop_columns": 3, "crop_rows": 3, "text_tokens": 100, "new_tokens": 100}
    wide = {name: np.array([value, 1 if name == "batch" else value], dtype=kind) for name, value in values.items()}
    found = _compiled(FEW)(**wide)["forward_tensor_core_flops"]["total"]
    assert found.dtype == np.float64
    exact = _compiled(FEW)(**values)["forward_tensor_core_flops"]["total"]
    assert exact > 2**48
    assert found[0] == exact


def test_arrays_above_64_bits_are_rounded_not_wrapped() -> None:
    values = {"batch": 10**9, "crop_columns": 3, "crop_rows": 2, "text_tokens": 10**9, "new_tokens": 10**9}
    found = _compiled(FEW)(**{**values, "batch": np.array([10**9, 10**12])})["forward_tensor_core_flops"]["total"]
    exact = [_compiled(FEW)(**{**values, "batch": batch}) for batch in (10**9, 10**12)]
    assert found == pytest.approx([float(each["forward_tensor_core_flops"]["total"]) for each in exact], rel=1e-14)
    assert found[0] > 2**63


def _points(count: int) -> dict[str, Any]:
    rng = np.random.default_rng(7)
    grid = rng.integers(0, 4, count)
    highest = {"batch": 300, "text_tokens": 5000, "new_tokens": 9000}
    drawn = {name: rng.integers(1, high, count) for name, high in highest.items()}
    columns, rows = np.array([0, 2, 3, 1])[grid], np.array([0, 1, 3, 4])[grid]
    return drawn | {"crop_columns": columns, "crop_rows": rows, "new_tokens": drawn["new_tokens"] * (grid > 1)}


@pytest.mark.parametrize("place", range(len(CHOICES)))
def test_arrays_equal_scalars(place: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "BLOCK", 64)
    points = _points(300)
    found = _compiled(FEW, place)(**points)
    for index in range(0, 300, 7):
        exact = _compiled(FEW, place)(**{name: int(values[index]) for name, values in points.items()})
        for metric in METRICS:
            for part, value in exact[metric].items():
                wide = found[metric][part][index]
                assert math.isnan(wide) if value is None else wide == pytest.approx(value, rel=1e-12)


def test_arrays_of_every_symbol_equal_scalars() -> None:
    base = {name: value for name, value in evaluate_model("gundam").values.numbers.items() if name in FREE}
    points = _points(40)
    wide = {name: points.get(name, value) for name, value in base.items()}
    # What a server accepts is no limit here.
    wide["max_model_len"] = wide["max_num_batched_tokens"] = 10**9
    wide["base_size"] = 64 * np.arange(1, 41)
    wide["memory_bandwidth"] = np.linspace(1e12, 4e12, 40)
    found = _compiled(FREE)(**wide)
    for index in range(0, 40, 3):
        single = {name: value[index] if isinstance(value, np.ndarray) else value for name, value in wide.items()}
        for metric, parts in _compiled(FREE)(**single).items():
            for part, value in parts.items():
                if value is not None:
                    assert found[metric][part][index] == pytest.approx(value, rel=1e-12), (metric, part)


def test_shapes_broadcast_and_constants_fill_them() -> None:
    function = _compiled(FEW)
    found = function(batch=[[1], [2]], crop_columns=0, crop_rows=0, text_tokens=[1, 2, 3], new_tokens=5)
    for parts in found.values():
        assert all(values.shape == (2, 3) for values in parts.values())
    assert (found["parameters"]["total"] == evaluate_model("base").total["parameters"]).all()
    none = function(batch=np.array([], dtype=int), crop_columns=0, crop_rows=0, text_tokens=1, new_tokens=5)
    assert none["roofline_s"]["total"].shape == (0,)


def test_many_blocks_and_threads_give_the_points_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    points = _points(1000)
    whole = _compiled(FEW, threads=1)(**points)
    monkeypatch.setattr(arrays, "BLOCK", 7)
    split = _compiled(FEW, threads=8)(**points)
    for metric, parts in whole.items():
        for part, values in parts.items():
            np.testing.assert_array_equal(split[metric][part], values)


def test_derived_symbols_follow_unless_they_are_given() -> None:
    total = "forward_io_bytes"
    follows = MODEL.compile(total, ["batch"], workload="gundam", by="total")
    fixed = MODEL.compile(total, ["batch"], workload="gundam", by="total", settings={"prefill_experts_hit": 40})
    free = MODEL.compile(total, ["batch", "prefill_experts_hit"], workload="gundam", by="total")
    for batch in (1, 9):
        plain = evaluate_model("gundam", {"batch": batch})
        hit = evaluate_model("gundam", {"batch": batch, "prefill_experts_hit": 40})
        assert follows(batch=batch)[total]["total"] == pytest.approx(plain.total[total], rel=1e-14)
        assert fixed(batch=batch)[total]["total"] == pytest.approx(hit.total[total], rel=1e-14)
        assert free(batch=batch, prefill_experts_hit=40) == fixed(batch=batch)


def test_by_names_the_parts() -> None:
    path = "prefill/layers.1-11/mlp"
    expected = evaluate_model("gundam")
    node = next(each for each in expected.nodes if each.row.path == path)
    for by, parts in (("total", ["total"]), (path, [path]), ([path, "total", "decode"], [path, "total", "decode"])):
        found = MODEL.compile(["forward_tensor_core_flops", "parameters"], [], workload="gundam", by=by)()
        assert list(found["parameters"]) == parts
        assert {"total": expected.total, path: node.metrics}[parts[0]]["parameters"] == found["parameters"][parts[0]]
    stages = MODEL.compile("parameters", [], workload="gundam")()["parameters"]
    assert stages["total"] < sum(value for part, value in stages.items() if part != "total")


@given(changes=SIZES, batch=st.integers(1, 64))
@settings(max_examples=8, deadline=None)
def test_what_if_then_compile_equals_settings(changes: dict[str, Any], batch: int) -> None:
    metrics = ("forward_tensor_core_flops", "forward_io_bytes", "roofline_s")
    found = MODEL.what_if(**changes).compile(metrics, ["batch"], workload="gundam")(batch=batch)
    expected = evaluate_model("gundam", {**changes, "batch": batch})
    for metric in metrics:
        for part, each in {**expected.stages, "total": expected.total}.items():
            _same(found[metric][part], each[metric], metric)


def test_formulas_put_in_follow_the_inputs() -> None:
    doubled = MODEL.what_if(batch="2*batch", text_tokens="image_tokens + batch")
    function = doubled.compile("forward_tensor_core_flops", ["batch"], workload="gundam", by="total")
    expected = evaluate_model("gundam", {"batch": 6, "text_tokens": 893 + 6})
    assert function(batch=3)["forward_tensor_core_flops"]["total"] == expected.total["forward_tensor_core_flops"]
    wide = function(batch=np.array([1, 3]))["forward_tensor_core_flops"]["total"]
    assert wide[1] == expected.total["forward_tensor_core_flops"]
    for low in (0, np.array([1, 0])):
        with pytest.raises(UserError, match="batch: 0 is less than 1"):
            function(batch=low)
    halved = MODEL.what_if(text_tokens="batch/2").compile("parameters", ["batch"], workload="gundam")
    assert halved(batch=2)
    for odd in (3, np.array([2, 3])):
        with pytest.raises(UserError, match=r"text_tokens: (3/2|1.5) is not a whole number"):
            halved(batch=odd)


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"metrics": "forward_io_byte"}, "did you mean forward_io_bytes"),
        ({"over": ["bach"]}, "did you mean batch"),
        ({"over": ["batch", "batch"]}, "name it once"),
        ({"over": ["fp32"]}, "cannot be set"),
        ({"settings": {"batch": 2}}, "name it once"),
        ({"settings": {"bach": 2}}, "did you mean batch"),
        ({"settings": {"text_tokens": -1}}, "less than 0"),
        ({"settings": {"base_size": 100}}, "multiple of 64"),
        ({"workload": "gundan"}, "did you mean gundam"),
        ({"gpu": "rtx509"}, "did you mean rtx5090"),
        ({"by": "visio"}, "did you mean vision"),
        ({"backend": "nunpy"}, "did you mean numpy"),
        ({"waived": ["allow_any_gird"]}, "did you mean allow_any_grid"),
    ],
)
def test_mistakes_when_compiling_are_named(options: dict[str, Any], hint: str) -> None:
    given = {"metrics": "forward_io_bytes", "over": ["batch"], "workload": "gundam", **options}
    with pytest.raises(UserError, match=re.escape(hint)) as caught:
        MODEL.compile(**given)
    assert "\n" not in str(caught.value)


def test_torch_is_asked_for_before_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dsocr_symbolic.evaluation.compilation.find_spec", lambda _: None)
    with pytest.raises(UserError, match="PyTorch is not installed"):
        MODEL.compile("parameters", ["batch"], backend="torch")


def test_what_was_put_in_is_no_input() -> None:
    changed = MODEL.what_if(batch=4)
    for options in ({"over": ["batch"]}, {"over": [], "settings": {"batch": 2}}):
        with pytest.raises(UserError, match="batch: what_if put 4 in"):
            changed.compile("parameters", **options)
    looped = MODEL.what_if(text_tokens="prompt_tokens")
    with pytest.raises(UserError, match="text_tokens -> prompt_tokens -> text_tokens"):
        looped.compile("parameters", ["batch"])


GOOD = {"batch": 1, "crop_columns": 3, "crop_rows": 2, "text_tokens": 10, "new_tokens": 5}


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({"batch": 0}, "batch: 0 is less than 1"),
        ({"batch": 1.5}, "batch: 1.5 is not a whole number"),
        ({"batch": True}, "batch: True is not a number"),
        ({"batch": None}, "batch: an array of object"),
        ({"batch": "8"}, "batch: an array of <U1"),
        ({"batch": 10**19}, "larger than 1e+18"),
        ({"crop_rows": 4}, "--allow-any-grid lifts this rule); got crops = 12, max_crops = 9"),
        ({"crop_rows": 0}, "crop_columns and crop_rows are both 0 or both positive"),
        ({"batch": np.array([2, 1, 0, -1])}, "batch: 0 is less than 1 (requests in the batch) (point 2)"),
        ({"batch": np.array([[2.0], [0.5]])}, "batch: 0.5 is not a whole number (requests in the batch) (point 1)"),
        ({"batch": np.array([1, np.nan])}, "batch: nan is not a number (point 1)"),
        ({"batch": np.array([1, np.inf])}, "batch: inf is not a number (point 1)"),
        ({"batch": np.array([1, 1e19])}, "(point 1)"),
        ({"batch": np.array([1, None])}, "batch: an array of object"),
        ({"batch": np.array([10**30, 1])}, "batch: an array of object"),
        ({"batch": np.array([True])}, "batch: an array of bool"),
        ({"batch": np.array([1j])}, "batch: an array of complex128"),
        ({"batch": np.array([1], dtype=np.longdouble)}, "batch: an array of float128"),
        ({"batch": np.ones(2), "new_tokens": np.ones(3)}, "batch (2,), new_tokens (3,)"),
        ({"crop_rows": np.array([1, 3, 4])}, "got crops = 12, max_crops = 9 (point 2)"),
        ({"crop_rows": np.array([4, 0])}, "got crops = 12, max_crops = 9 (point 0)"),
        ({"bach": 2}, "did you mean batch"),
    ],
)
def test_values_that_are_not_allowed_are_named(change: dict[str, Any], hint: str) -> None:
    with pytest.raises(UserError, match=re.escape(hint)) as caught:
        _compiled(FEW)(**{**GOOD, **change})
    assert "\n" not in str(caught.value)


def test_missing_inputs_are_named() -> None:
    with pytest.raises(UserError, match="crop_rows, new_tokens: no value given"):
        _compiled(FEW)(**{name: value for name, value in GOOD.items() if name not in ("crop_rows", "new_tokens")})


def test_the_first_bad_point_of_all_blocks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "BLOCK", 10)
    rows = np.full(1000, 2)
    rows[[57, 321, 999]] = 4
    for _ in range(5):
        with pytest.raises(UserError, match=r"crops = 12, max_crops = 9 \(point 57\)"):
            _compiled(FEW, threads=8)(**{**GOOD, "crop_rows": rows})


def test_points_that_only_float64_finds_broken_are_passed_over() -> None:
    hits = {"prefill_experts_hit": 64, "decode_experts_hit": 6}
    function = _compiled((*FEW, *HITS))
    wide = {name: np.array([value] * 4) for name, value in {**GOOD, **hits}.items()}
    broken = [np.array([False, True, False, True])]
    refuse_points(function, wide, broken, 1, 0)
    wide["crop_rows"] = np.array([2, 2, 2, 4])
    with pytest.raises(UserError, match=r"crops = 12, max_crops = 9 \(point 13\)"):
        refuse_points(function, wide, broken, 1, 10)


def test_rules_may_be_waived_or_left_unchecked() -> None:
    grid = {**GOOD, "crop_columns": 9, "crop_rows": 9}
    expected = evaluate_model("base", grid, waived=frozenset({"allow_any_grid"}))
    _compare(_compiled(FEW, waived=("allow_any_grid",))(**grid), expected)
    assert _compiled(FEW, check=False)(**grid) == _compiled(FEW, waived=("allow_any_grid",))(**grid)
    assert _compiled(FEW, check=False)(**{**GOOD, "crop_rows": 0})
    with pytest.raises(UserError, match="less than 1"):
        _compiled(FEW, check=False)(**{**GOOD, "batch": 0})


def test_a_ratio_of_nothing_is_none() -> None:
    none = _compiled(FEW)(**{**GOOD, "new_tokens": 0})["forward_arithmetic_intensity"]
    assert none["decode"] is None
    wide = _compiled(FEW)(**{**GOOD, "new_tokens": np.array([0, 5])})["forward_arithmetic_intensity"]["decode"]
    assert np.isnan(wide).tolist() == [True, False]


def test_functions_are_values() -> None:
    made = [MODEL.what_if(hidden_size=640).compile(FLOWS, FEW, workload="gundam") for _ in range(2)]
    copied = pickle.loads(pickle.dumps(made[0]))  # noqa: S301 - our own bytes
    assert made[0] == made[1] == copied
    assert len({made[0], made[1], copied}) == 1
    assert copied(**GOOD) == made[0](**GOOD)
    assert made[0] != MODEL.compile(FLOWS, FEW, workload="gundam")
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        copied.inputs = ()  # type: ignore[misc]


def test_a_function_may_be_called_from_many_threads() -> None:
    function = pickle.loads(pickle.dumps(_compiled(FEW)))  # noqa: S301 - nothing compiled yet
    points = _points(500)

    def ask(batch: int) -> Any:
        wide = function(**{**points, "batch": batch})["roofline_s"]["total"]
        return function(**{**GOOD, "batch": batch}), wide.tolist()

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(ask, range(1, 33)))
    assert found == [ask(batch) for batch in range(1, 33)]


def test_calls_do_not_change_their_arguments() -> None:
    given = {name: np.array([value, value]) for name, value in GOOD.items()}
    before = {name: values.copy() for name, values in given.items()}
    _compiled(FEW)(**given)
    assert all((given[name] == before[name]).all() for name in given)


@given(values=st.lists(st.integers(0, 50), min_size=3, max_size=3))
@settings(deadline=None)
def test_reduction_keeps_values(values: list[int]) -> None:
    a, b, c = (symbol(name) for name in ("batch", "crops", "new_tokens"))
    numbers = dict(zip((a, b, c), map(sympy.Integer, values), strict=True))
    expressions = [
        (a + b) ** 3 * (a / 3 + c) * positive(b) + a * b * positive(b) * positive(b - 1) / 7,
        maximum(a * b, 2 * a * b + c, a) * (c + 1) + maximum(3 * a, a + b),
        a**2 * b + a * b**2 + a**2 * b**2 / 5 + c,
    ]
    for expression in expressions:
        short = nested(reduced(expression))
        assert short.xreplace(numbers).doit() == expression.xreplace(numbers)
        assert float(in_decimals(short).xreplace(numbers)) == pytest.approx(float(expression.xreplace(numbers)))


def test_reduction_decides_maxima() -> None:
    a, b = symbol("batch"), symbol("crops")
    assert reduced(maximum(a * b, 2 * a * b + 1)) == 2 * a * b + 1
    assert reduced(maximum(a, b)) == maximum(a, b)
