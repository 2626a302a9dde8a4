"""The Python API: parts as expressions, what-if, and models as values."""

import pickle
import re
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import Any

import attrs
import pytest
import sympy
from conftest import evaluate_model
from hypothesis import given, settings
from hypothesis import strategies as st

from dsocr_symbolic import Model, UserError, load_model
from dsocr_symbolic.algebras import symbolic
from dsocr_symbolic.language.registry import load_metrics

MODEL = load_model("deepseek-ocr")
COUNTS = ("forward_tensor_core_flops", "forward_cuda_core_flops", "forward_io_bytes", "operator_launches", "parameters")
SYMBOLS = ("batch", "crops", "prompt_tokens", "new_tokens", "n_routed_experts", "hidden_size", "vocab_size")


def _value(expression: Any, numbers: Any) -> Any:
    exact = {symbolic.symbol(name): sympy.Rational(Fraction(value)) for name, value in numbers.items()}
    return sympy.sympify(expression).xreplace(exact)


@pytest.mark.parametrize("choices", [{}, {"attention": "eager", "experts": "grouped", "weight_dtype": "fp8"}])
def test_every_part_has_the_numbers_of_the_estimate(choices: dict[str, str]) -> None:
    hits = {"batch": 3, "new_tokens": 7, "prefill_experts_hit": 64, "decode_experts_hit": 16}
    result = evaluate_model("gundam", hits, **choices)
    model = load_model(**choices)
    assert model.paths[1:] == tuple(node.row.path for node in result.nodes)
    for node in result.nodes[::5]:
        part = model[node.row.path]
        assert _value(part.calls, result.values.numbers) == node.calls, part.path
        for metric in COUNTS:
            assert _value(part.metric(metric), result.values.numbers) == node.metrics[metric], (part.path, metric)


@pytest.mark.parametrize("metric", [each for each in COUNTS if load_metrics()[each].kind == "flow"])
@pytest.mark.parametrize("path", ["", "vision", "prefill/layers.1-11", "decode"])
def test_flows_of_the_children_add_up(path: str, metric: str) -> None:
    part = MODEL[path]
    assert sympy.expand(part.metric(metric) - sum(child.metric(metric) for child in part.children)) == 0


def test_total_is_the_whole() -> None:
    for metric in COUNTS:
        assert MODEL.total(metric) == MODEL[""].metric(metric) == getattr(MODEL[""], metric)


def test_parts_offer_the_registry() -> None:
    part = MODEL["vision"]
    assert set(load_metrics()) <= set(dir(part))
    assert not hasattr(part, "_repr_html_")
    assert part.children[0].path.startswith("vision/")


@pytest.mark.parametrize(
    ("ask", "error", "hint"),
    [
        (lambda: MODEL["prefil"], UserError, "did you mean prefill"),
        (lambda: MODEL.total("forward_io_byte"), UserError, "did you mean forward_io_bytes"),
        (lambda: MODEL["vision"].forward_io_byte, AttributeError, "did you mean forward_io_bytes"),
        (lambda: MODEL["vision"].childen, AttributeError, "did you mean children"),
        (lambda: MODEL.what_if(bach=2), UserError, "did you mean batch"),
        (lambda: MODEL.what_if(batch="bach + 1"), UserError, "did you mean batch"),
        (lambda: MODEL.what_if(batch=sympy.Symbol("bach")), UserError, "did you mean batch"),
        (lambda: MODEL.what_if(batch=0), UserError, "less than 1"),
        (lambda: MODEL.what_if(batch="1/2"), UserError, "not a whole number"),
        (lambda: MODEL.what_if(batch=True), UserError, "not a number"),
        (lambda: MODEL.what_if(batch=float("nan")), UserError, "not a number"),
        (lambda: MODEL.what_if(fp32="2*batch"), UserError, "cannot be set"),
        (lambda: MODEL.what_if(batch="__import__('os')"), UserError, "not allowed"),
        (lambda: MODEL.what_if(batch=sympy.sin(sympy.Symbol("crops"))), UserError, "may hold"),
        (lambda: MODEL.what_if(batch="crops", crops="2*batch"), UserError, "batch -> crops -> batch"),
        (lambda: load_model("deepseek-ocd"), UserError, "did you mean deepseek-ocr"),
        (lambda: load_model(weight_dtyp="fp8"), UserError, "did you mean weight_dtype"),
        (lambda: load_model(weight_dtype="fp9"), UserError, "did you mean fp8"),
    ],
)
def test_mistakes_are_named_in_one_line(ask: Any, error: type[Exception], hint: str) -> None:
    with pytest.raises(error, match=re.escape(hint)) as caught:
        ask()
    assert "\n" not in str(caught.value)


def test_metrics_without_a_formula_say_why() -> None:
    missing = [name for name, metric in load_metrics().items() if metric.kind == "null"]
    for name in missing:
        with pytest.raises(UserError, match=f"{name}.*{load_metrics()[name].reason}"):
            MODEL.total(name)


NUMBERS = st.fixed_dictionaries({}, optional={name: st.integers(1, 10**6) for name in SYMBOLS})


@given(values=NUMBERS, more=NUMBERS)
@settings(max_examples=40, deadline=None)
def test_what_if_puts_values_in_and_leaves_the_rest_free(values: dict[str, int], more: dict[str, int]) -> None:
    path = "decode/layers.1-11/mlp"
    changed = MODEL.what_if(**values).what_if(**more)
    assert changed == MODEL.what_if(**{**values, **more})
    numbers = {symbolic.symbol(name): value for name, value in {**values, **more}.items()}
    for metric in COUNTS:
        before, after = MODEL[path].metric(metric), changed[path].metric(metric)
        assert after == before.xreplace({name: sympy.Integer(value) for name, value in numbers.items()})
        assert after.free_symbols == before.free_symbols - set(numbers)


def test_formulas_may_be_put_in_in_any_order() -> None:
    first = MODEL.what_if(text_tokens="image_tokens/2").what_if(image_tokens=200, batch="2*batch")
    second = MODEL.what_if(batch="2*batch", image_tokens=200).what_if(text_tokens="image_tokens/2")
    assert first == second
    assert first.replacements[symbolic.symbol("text_tokens")] == 100
    assert first.replacements[symbolic.symbol("batch")] == 2 * symbolic.symbol("batch")
    assert first.what_if(image_tokens=400).replacements[symbolic.symbol("text_tokens")] == 200


def test_text_and_sympy_mean_the_same() -> None:
    batch, crops = sympy.symbols("batch crops")
    texts = MODEL.what_if(new_tokens="Max(3*batch, ceiling(crops/2)) + 0.5*batch", batch="2*batch")
    expressions = MODEL.what_if(
        new_tokens=sympy.Max(3 * batch, sympy.ceiling(crops / 2)) + 0.5 * batch, batch=2 * batch
    )
    assert texts == expressions
    assert texts["decode"].calls == expressions["decode"].calls
    assert symbolic.symbol("crops") in texts["decode"].calls.free_symbols


def test_decimals_are_what_they_print_as() -> None:
    for value in (0.1, Fraction(1, 10), "0.1", sympy.Float(0.1), sympy.Rational(1, 10)):
        assert MODEL.what_if(flops_per_exp=value).overrides == (("flops_per_exp", sympy.Rational(1, 10)),)


def _alike() -> list[tuple[Any, Any]]:
    made = [load_model(attention="eager").what_if(batch=8, new_tokens="3*crops") for _ in range(2)]
    return [(made[0], made[1]), (made[0]["vision"], made[1]["vision"])]


@pytest.mark.parametrize(("one", "other"), _alike(), ids=["model", "part"])
def test_equal_making_gives_equal_values(one: Any, other: Any) -> None:
    assert one == other
    assert hash(one) == hash(other)
    assert len({one, other}) == 1
    copied = pickle.loads(pickle.dumps(one))  # noqa: S301 - our own bytes
    assert copied == one
    assert hash(copied) == hash(one)
    assert repr(copied) == repr(one)


def test_different_making_gives_different_values() -> None:
    models = [MODEL, load_model(attention="eager"), MODEL.what_if(batch=2), MODEL.what_if(batch=3)]
    assert len(set(models)) == len(models)
    assert MODEL["vision"] != MODEL["prefill"]


def test_unpickled_models_give_the_same_expressions() -> None:
    model = MODEL.what_if(hidden_size=640)
    copied: Model = pickle.loads(pickle.dumps(model))  # noqa: S301
    assert copied.total("forward_io_bytes") == model.total("forward_io_bytes")


def test_nothing_can_be_changed() -> None:
    for thing, name in ((MODEL, "options"), (MODEL["vision"], "path")):
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(thing, name, "other")


def test_many_threads_see_one_model() -> None:
    model = load_model(logits="last")

    def ask(place: int) -> Any:
        changed = model.what_if(batch=place + 1)
        return changed["prefill"].forward_io_bytes, model.total("forward_tensor_core_flops")

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(ask, range(32)))
    assert found == [ask(place) for place in range(32)]
