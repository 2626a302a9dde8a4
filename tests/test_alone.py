"""A layer or operator that stands alone: what follows, follows from its own symbols."""

from fractions import Fraction
from typing import Any

import pytest
from conftest import evaluate_model

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.expression import names
from dsocr_symbolic.language.formula import Formula
from dsocr_symbolic.language.library import load_library
from dsocr_symbolic.language.lookup import definition_of, find_definition
from dsocr_symbolic.scenario.hardware import load_gpu
from dsocr_symbolic.scenario.provenance import what_was_set
from dsocr_symbolic.scenario.scenario import make_scenario
from dsocr_symbolic.scenario.values import Values, choose, resolve

MODEL = find_definition("deepseek-ocr")
OPTIONS = choose(MODEL, {})
GPU = load_gpu("rtx5090")
FORMULAS = load_library().formulas
FOLLOWING = [(formula.name, symbol) for formula in FORMULAS.values() for symbol in formula.alone]
# Sizes of a page that no layer is called with, but that a user may set: a grid of crops.
OF_A_PAGE = {"crop_columns", "crop_rows", "text_tokens"}
FIXED = {"fp32", "int64"}
# Where a step to either side changes what follows: no maximum, no guard hides it.
NEAR = {
    "crop_columns": 3,
    "crops": 6,
    "num_experts_per_tok": 4,
    "n_routed_experts": 64,
    "experts": 64,
    "rows": 16,
    "tokens": 16,
    "sequence": 4,
    "prompt_tokens": 4,
}


def values(formula: Formula, **settings: Any) -> Values:
    return resolve(definition_of(MODEL, formula), options=OPTIONS, settings=settings, gpu=GPU)


def numbers(formula: Formula, **settings: Any) -> dict[str, Any]:
    return dict(values(formula, **settings).numbers)


def otherwise(formula: Formula, **settings: Any) -> dict[str, Any]:
    """Return what those that are set would be."""
    scenario = make_scenario(definition=MODEL, layer=formula.name, settings=settings)
    found = what_was_set(scenario, numbers(formula, **settings))
    return {name: setting.otherwise for name, setting in found.items()}


@pytest.mark.parametrize("name", FORMULAS)
def test_what_follows_names_nothing_that_the_layer_itself_decides_otherwise(name: str) -> None:
    formula = FORMULAS[name]
    quantities = definition_of(MODEL, formula).quantities
    for symbol in {*formula.symbols, *formula.alone}:
        for used in names(quantities[symbol].formula) - {*formula.symbols, *OF_A_PAGE}:
            # Beside its own symbols: sizes of the network, bytes of dtypes, and a page's sizes where no grid is given.
            group = quantities[used].group
            sizes = symbol in ("base_grid", "crop_grid") and used in ("base_size", "image_size")
            assert sizes or group in ("constant", "convention", "choice"), (symbol, used)


@pytest.mark.parametrize(("name", "symbol"), FOLLOWING)
def test_each_follows_every_symbol_of_its_formula_and_can_be_set(name: str, symbol: str) -> None:
    formula = FORMULAS[name]
    expression = formula.alone[symbol]
    assert names(expression) <= definition_of(MODEL, formula).quantities.keys()
    given = {used: value for used, value in NEAR.items() if used in names(expression)}
    start = numbers(formula, **given)
    moved = set()
    for used in names(expression) - FIXED:
        for value in (0, 4 * start[used], start[used] // 2, start[used] + 1):
            try:
                if numbers(formula, **{**given, used: value})[symbol] != start[symbol]:
                    moved.add(used)
            except UserError:
                continue
    assert moved == names(expression) - FIXED
    other = start[symbol] + 1
    found = values(formula, **given, **{symbol: other})
    assert found.numbers[symbol] == other
    assert not names(expression) or otherwise(formula, **given, **{symbol: other})[symbol] == start[symbol]


@pytest.mark.parametrize(
    ("layer", "settings", "symbol", "expected"),
    [
        # E(1 - (1 - k/E)^n), and the fewest rows of one token.
        ("language_model", {"sequence": 64, "past": 2048}, "experts_hit", 64 * (1 - (1 - 6 / 64) ** 64)),
        ("language_model", {"batch": 3, "sequence": 1}, "experts_hit", 64 * (1 - (1 - 6 / 64) ** 3)),
        ("language_model", {"n_routed_experts": 8, "num_experts_per_tok": 2, "sequence": 2}, "experts_hit", 3.5),
        ("deepseek_v2_model", {"sequence": 5}, "experts_hit", 64 * (1 - (1 - 6 / 64) ** 5)),
        ("deepseek_v2_decoder_layer", {"sequence": 5}, "prefill_experts_hit", 64 * (1 - (1 - 6 / 64) ** 5)),
        ("deepseek_v2_moe", {"tokens": 5}, "experts_hit", 64 * (1 - (1 - 6 / 64) ** 5)),
        ("experts_loop", {"rows": 30, "n_routed_experts": 64}, "experts_hit", 64 * (1 - (1 - 6 / 64) ** 5)),
        ("experts_grouped", {"rows": 2, "n_routed_experts": 64}, "experts_hit", 2),
        ("deepseek_ocr_model", {"crop_columns": 3, "crop_rows": 2}, "image_tokens", 893),
        ("deepseek_ocr_model", {"crop_columns": 3, "crops": 6}, "image_tokens", 893),
        ("deepseek_ocr_model", {"crop_columns": 3, "crops": 6}, "prompt_tokens", 903),
        ("deepseek_ocr_model", {"base_size": 640, "prompt_tokens": 1}, "prefill_experts_hit", 6),
        ("projector_views", {"crop_columns": 3, "crops": 6}, "image_tokens", 893),
        ("projector_views", {"base_grid": 8}, "image_tokens", 73),
        ("projector_views", {"clip_width": 512, "sam_neck_channels": 128}, "feature_width", 1024),
        ("image_layout", {"crop_columns": 2, "crops": 2, "crop_grid": 8}, "image_tokens", 273 + 8 * 17),
        ("llama_attention", {"past": 0}, "cached", 0),
        ("attend_eager", {"sequence": 64}, "keys", 64),
        ("attention", {"side": 64}, "table_rows", 127),
        ("block", {"window": 14}, "table_rows", 27),
        ("sdpa_flash", {"queries": 9}, "keys", 9),
        ("add", {"a": 3, "b": 12}, "y", 12),
    ],
)
def test_values_by_hand(layer: str, settings: dict[str, Any], symbol: str, expected: float) -> None:
    assert float(numbers(FORMULAS[layer], **settings)[symbol]) == pytest.approx(expected, rel=1e-12)


def test_a_layer_alone_is_the_same_node_of_the_network() -> None:
    """A prefill of the network, and its layers alone at the sizes that only their callers say."""
    whole = evaluate_model("base", details=True, train="all")
    nodes = {node.row.path: node.metrics for node in whole.nodes}
    prompt = whole.values.numbers["prompt_tokens"]
    alone = {
        "projector": evaluate_model(layer="projector_views", details=True),
        "prefill": evaluate_model(
            layer="language_model", settings={"sequence": prompt, "past": 0, "image_tokens": 273}, details=True
        ),
    }
    for path, found in alone.items():
        for metric in ("forward_tensor_core_flops", "forward_io_bytes", "parameters", "backward_io_bytes"):
            assert found.total[metric] == nodes[path][metric], (path, metric)


def test_sizes_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(UserError, match=r"^image_tokens: .*crops = 3.* which is not a whole number; set others"):
        values(FORMULAS["projector_views"], crops=3, crop_columns=2, crop_grid=9)
    assert numbers(FORMULAS["projector_views"], crops=4, crop_columns=2, crop_grid=9)["image_tokens"] == Fraction(615)
