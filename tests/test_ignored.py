"""No option and no setting is ignored without a word: it changes the answer, or is stated, or is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from test_cli import assert_refused, dsocr

from dsocr_symbolic import UserError, compare, load_model, sweep
from dsocr_symbolic.language.library import load_library
from dsocr_symbolic.language.lookup import default_definition, definition_of, symbols_of_layer
from dsocr_symbolic.scenario.checks import check_layer
from dsocr_symbolic.scenario.scenario import make_scenario, scenario_values

DEFINITION = default_definition(None)
FORMULAS = load_library().formulas
VIT = ("--layer", "vision/block")
BLOCK = "batch, grid, window, sam_width, sam_heads, sam_mlp_width, table_rows"


# a layer alone


@pytest.mark.parametrize(
    "verb", [("totals", *VIT), ("tree", *VIT), ("formula", "vision/block")], ids=lambda verb: verb[0]
)
@pytest.mark.parametrize("setting", ["n_routed_experts=128", "new_tokens=3", "crop_columns=2", "logits_of_all=0"])
def test_a_layer_takes_its_own_symbols_alone(verb: tuple[str, ...], setting: str) -> None:
    name = setting.partition("=")[0]
    assert_refused(dsocr(*verb, "--set", setting), name, "the layer block", BLOCK)


@pytest.mark.parametrize("name", FORMULAS)
def test_every_layer_takes_its_symbols_what_they_follow_from_and_those_of_all(name: str) -> None:
    layer = definition_of(DEFINITION, FORMULAS[name])
    own = symbols_of_layer(layer)
    shared = [symbol for symbol, known in layer.quantities.items() if known.group in ("machine", "convention")]
    check_layer(layer, [*own, *shared])
    several = {symbol: 5 for symbol in ("tokens", "sequence", "batch") if symbol in own}
    for symbol in {"n_routed_experts", "clip_width", "new_tokens"} - {*own}:
        try:
            check_layer(layer, [symbol])
        except UserError:
            continue
        # What it takes moves one of its own symbols.
        settings = ({**several, symbol: value} for value in (8, 16))
        asked = (make_scenario(definition=DEFINITION, layer=name, settings=numbers) for numbers in settings)
        few, many = (scenario_values(scenario).numbers for scenario in asked)
        assert any(few[mine] != many[mine] for mine in own), symbol


def test_what_a_layers_symbols_follow_from_can_be_set() -> None:
    asked = ("totals", "--layer", "decoder/deepseek_v2_moe", "--format", "json", "--set", "tokens=5")
    few, many = (json.loads(dsocr(*asked, "--set", f"n_routed_experts={count}").out) for count in (8, 64))
    assert few["workload"]["experts_hit"] < many["workload"]["experts_hit"]


def test_a_layer_says_which_values_are_its_examples() -> None:
    found = json.loads(dsocr("totals", *VIT, "--format", "json").out)
    assert found["of_example"] == ["grid", "window"]
    assert "of the layer's example, until --set gives others: grid, window\n" in dsocr("totals", *VIT).out
    assert "of the layer's example, until --set gives others: window\n" in dsocr("tree", *VIT, "--set", "grid=4").out
    assert json.loads(dsocr("totals", "--format", "json").out)["of_example"] == []


def test_of_a_config_a_layer_takes_what_it_has_a_use_for(tmp_path: Path) -> None:
    sizes = {known.config: int(known.formula.text) for known in DEFINITION.quantities.values() if known.config}
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"model_type": "deepseek_vl_v2"} | sizes | {"hidden_size": 640}))
    asked = ("totals", "--config", path, "--format", "json", "--layer")
    assert list(json.loads(dsocr(*asked, "decoder/deepseek_v2_rms_norm").out)["overridden"]) == ["hidden_size"]
    assert_refused(dsocr(*asked, "conv2d"), "conv2d", "config.json")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("tree", *VIT, "--workload", "tiny"), ("--layer", "--workload")),
        (("formula", "vision/block", "--workload", "tiny"), ("vision/block", "--workload")),
        (("totals", *VIT, "--allow-any-grid"), ("allow_any_grid", "block")),
        (("formula", "conv2d", "--allow-any-grid"), ("allow_any_grid", "conv2d")),
    ],
)
def test_a_layer_has_neither_workload_nor_grids(arguments: tuple[str, ...], said: tuple[str, ...]) -> None:
    assert_refused(dsocr(*arguments), *said)


def test_a_layer_is_the_same_in_every_view() -> None:
    total = json.loads(dsocr("totals", "--layer", "vision/projector_views", "--format", "json").out)["total"]
    metric = "forward_tensor_core_flops"
    text = dsocr("formula", "vision/projector_views", "--metric", metric).out
    assert f"= {total[metric]} FLOP\n" in text


# options


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("totals", "--dpi", "100"), ("--dpi", "--document")),
        (("totals", "--by", "category", "--format", "json"), ("--by category", "json")),
        (("totals", "--by", "stage", "--format", "yaml"), ("--by stage", "yaml")),
        (("sweep", "--vary", "batch=1", "--metric", "roofline_s", "--force"), ("--force", "--out")),
        (("totals", "--weight-dtype", "fp8", "--set", "weight=2"), ("weight-dtype fp8", "weight")),
        (("totals", "--precision", "autocast", "--set", "autocast=0"), ("precision autocast", "autocast")),
        (("compare", "weight-dtype=fp8", "batch=2", "--set", "weight=2"), ("weight-dtype fp8", "weight")),
        (("compare", "weight-dtype=fp8,weight_dtype=bf16", "batch=2"), ("weight-dtype", "twice")),
        (("compare", "workload=tiny", "batch=2", "--set", "base_size=640"), ("workload=tiny", "base_size")),
        (("bounds", "cache_passes_weights_held", "--set", "batch=2"), ("batch", "cache_passes_weights_held")),
        (("bounds", "vision_passes_prefill_flops", "--set", "crop_rows=2"), ("crop_rows", "drop one")),
        (("verify", "--trust-remote-code"), ("--trust-remote-code", "--checkpoint")),
        (("torchinfo", "--trust-remote-code"), ("--trust-remote-code", "--checkpoint")),
    ],
)
def test_an_option_without_effect_is_refused(arguments: tuple[str, ...], said: tuple[str, ...]) -> None:
    assert_refused(dsocr(*arguments), *said)


@pytest.mark.parametrize("vary", ["weight-dtype=bf16,fp8", "weight-dtype=fp8"])
def test_an_axis_that_moves_nothing_is_refused(vary: str) -> None:
    asked = ("sweep", "--metric", "forward_weight_bytes", "--set", "weight=2")
    assert_refused(dsocr(*asked, "--vary", vary), "weight-dtype", "weight")
    with pytest.raises(UserError, match="weight-dtype fp8"):
        sweep(load_model(), metrics="parameters", settings={"weight": 2}, weight_dtype=["fp8"])


def test_an_option_that_decides_more_than_what_is_set_stays() -> None:
    asked = ("totals", "--format", "json", "--weight-dtype", "q8_0", "--set", "norm_weight=2")
    told = json.loads(dsocr(*asked).out)["overridden"]
    assert told["norm_weight"] == {"value": 2, "origin": "user", "default": 4}
    assert told["router_weight"]["origin"] == "choice weight-dtype q8_0"


def test_the_memory_of_a_process_follows_what_is_set() -> None:
    def pool(*arguments: str) -> Any:
        return json.loads(dsocr("totals", "--format", "json", *arguments).out)["memory"]["kv_pool"]["memory_bytes"]

    assert pool("--set", "usable_memory=20000000000") == 18 * 10**9
    assert pool("--set", "usable_memory=20000000000", "--set", "process_memory=10000000000") == 9 * 10**9
    assert pool("--reserve", "0") == pool()
    function = load_model().compile("parameters", over="usable_memory")
    assert dict(function.numbers).get("process_memory") is None
    model = load_model().what_if(usable_memory=2 * 10**10)
    assert dict(model.compile("parameters", over="batch").numbers)["process_memory"] == 2 * 10**10


# words that say nothing

OPTIONS = [
    *(
        ("totals", option)
        for option in ("--gpu", "--workload", "--layer", "--config", "--set", "--keep", "--attention")
    ),
    *(("sweep", option) for option in ("--out", "--vary", "--by")),
    *(("report", "--out"), ("report", "--layer-docs"), ("export", "--xlsx"), ("docs", "--out"), ("verify", "--out")),
    *(("sensitivity", "--symbol"), ("verify", "--checkpoint"), ("formula", "--metric")),
]


@pytest.mark.parametrize(("verb", "option"), OPTIONS)
@pytest.mark.parametrize("joined", [False, True])
def test_an_empty_word_is_refused(verb: str, option: str, joined: bool) -> None:
    assert_refused(dsocr(verb, *([f"{option}="] if joined else [option, ""])), option, "empty")


@pytest.mark.parametrize("arguments", [("--model", ""), ("--model=",)])
def test_an_empty_network_is_none(arguments: tuple[str, ...]) -> None:
    assert_refused(dsocr("totals", *arguments), "unknown model ''")


def test_an_empty_name_in_python_is_none() -> None:
    for ask in (
        lambda: make_scenario(definition=DEFINITION, gpu=""),
        lambda: make_scenario(definition=DEFINITION, workload=""),
        lambda: load_model().compile("parameters", over="batch", gpu=""),
        lambda: compare({"gpu": ""}, "batch=2"),
        lambda: load_model(""),
    ):
        with pytest.raises(UserError, match="unknown"):
            ask()
