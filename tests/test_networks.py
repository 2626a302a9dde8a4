"""Other networks: found by their config.json, read with fallbacks, refused in one line; every verb knows them."""

import json
import shlex
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from test_cli import assert_refused, dsocr

from dsocr_symbolic import load_model
from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.cli import capture
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.evaluation.networks import load_network
from dsocr_symbolic.language.definition import load_definition
from dsocr_symbolic.language.lookup import find_definition
from dsocr_symbolic.network.builder import build_tree
from dsocr_symbolic.paths import data_files
from dsocr_symbolic.scenario.config_files import find_config
from dsocr_symbolic.scenario.configs import find_network, read_config
from dsocr_symbolic.scenario.scenario import make_scenario, scenario_values
from dsocr_symbolic.verification.networks.comparison import networks_file

NETWORKS = ("llama", "mistral", "qwen2", "qwen3", "qwen3_moe", "mixtral", "deepseek_v2", "gemma3_text")
LLAMA: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "intermediate_size": 40,
    "vocab_size": 50,
}
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def put(content: dict[str, Any] | None = None, **changes: Any) -> Path:
        path = tmp_path / "config.json"
        whole = {**(LLAMA if content is None else content), **changes}
        path.write_text(json.dumps({name: value for name, value in whole.items() if value is not ...}))
        return path

    return put


def totals(path: Path, *words: str) -> dict[str, Any]:
    found = dsocr("totals", "--config", str(path), *words, "--format", "json")
    assert found.status == 0, found.err
    document: dict[str, Any] = json.loads(found.out)
    return document


@pytest.mark.parametrize("name", NETWORKS)
def test_a_config_alone_finds_its_network(name: str, write: Write) -> None:
    definition = find_definition(name)
    assert definition.architecture is not None
    model_type, architecture = definition.architecture.model_types[0], definition.architecture.architectures[0]
    assert find_network(write({"model_type": model_type})).name == name
    assert find_network(write({"architectures": [architecture]})).name == name
    assert find_network(write({"model_type": "a_wrapper", "text_config": {"model_type": model_type}})).name == name


def test_what_is_known_is_listed_otherwise(write: Write) -> None:
    found = dsocr("totals", "--config", str(write({"model_type": "bert"})))
    assert_refused(found, 'model_type "bert" is of no network here; known are deepseek_ocr2_text, deepseek_v2')
    assert_refused(dsocr("totals", "--config", str(write({"hidden_size": 4}))), "model_type null is of no network here")


def test_outputs_say_which_network_was_taken(write: Write) -> None:
    path = write()
    assert "config.json: model_type llama; the network is llama" in capture(["totals", "--config", str(path)])
    document = totals(path)
    assert document["model"] == "llama"
    assert document["config"] == {"file": "config.json", "model_type": "llama", "index": None, "stored_bytes": None}


def test_an_index_of_weights_beside_it_is_compared(write: Write, tmp_path: Path) -> None:
    path = write()
    ours = totals(path)["total"]["forward_weight_bytes"]
    index = tmp_path / "model.safetensors.index.json"
    for stored, said in ((ours, "as many as here"), (ours + 3, "3 more than here"), (ours - 2, "2 fewer than here")):
        index.write_text(json.dumps({"metadata": {"total_size": stored}}))
        assert said in " ".join(capture(["totals", "--config", str(path)]).split())
    index.write_text(json.dumps({"metadata": {"total_size": "many"}}))
    assert_refused(dsocr("totals", "--config", str(path)), "metadata.total_size: expected the bytes of all tensors")


def test_a_checkpoint_in_the_hub_s_cache_is_found_by_its_id(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    folder = tmp_path / "hub" / "models--an--llama" / "snapshots" / "0123"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(write().read_text())
    assert find_config("an/llama") == folder / "config.json"
    assert totals(Path("an/llama"))["model"] == "llama"
    assert_refused(dsocr("totals", "--config", "an/other"), "no such checkpoint in the hub's cache")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {"head_dim": 4, "num_key_value_heads": 2}),
        ({"num_key_value_heads": ...}, {"num_key_value_heads": 6}),
        ({"num_key_value_heads": None, "head_dim": None}, {"num_key_value_heads": 6, "head_dim": 4}),
        ({"head_dim": 8}, {"head_dim": 8}),
        ({"model_type": "mistral", "num_key_value_heads": ...}, {"num_key_value_heads": 8, "sliding_window": 4096}),
        ({"model_type": "mistral", "sliding_window": None}, {"sliding_window": 0}),
        ({"model_type": "qwen3"}, {"head_dim": 128, "sliding_layers": 0}),
        (
            {"model_type": "qwen2", "use_sliding_window": True, "sliding_window": 4, "max_window_layers": 1},
            {"sliding_layers": 2, "use_sliding_window": 1},
        ),
        ({"model_type": "qwen2", "use_sliding_window": True, "sliding_window": None}, {"sliding_layers": 0}),
        ({"model_type": "gemma3_text", "num_hidden_layers": 13}, {"sliding_layers": 11, "head_dim": 256}),
        (
            {"model_type": "gemma3_text", "layer_types": ["sliding_attention", "full_attention", "full_attention"]},
            {"sliding_layers": 1},
        ),
        (
            {"model_type": "qwen3_moe", "num_hidden_layers": 5, "decoder_sparse_step": 2, "mlp_only_layers": [1, 2, 9]},
            {"mlp_only_sparse": 1},
        ),
        ({"model_type": "qwen3_moe", "num_local_experts": 9, "mlp_only_layers": None}, {"num_experts": 9}),
        (
            {"model_type": "deepseek_v2", "moe_intermediate_size": 10, "num_experts_per_tok": 2, "q_lora_rank": None}
            | {"num_key_value_heads": 6},
            {"q_lora_rank": 0, "kv_lora_rank": 512},
        ),
    ],
)
def test_what_a_config_leaves_out_follows_as_in_transformers(
    changes: dict[str, Any], expected: dict[str, int], write: Write
) -> None:
    path = write(**changes)
    sizes = read_config(find_network(path), path).sizes
    assert {name: sizes[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {}),
        ({"tie_word_embeddings": True, "attention_bias": True}, {"lm-head": "tied", "attention-bias": "all"}),
        ({"dtype": "float16"}, {"weight-dtype": "fp16", "kv-dtype": "fp16"}),
        ({"torch_dtype": "float32"}, {"activation-dtype": "fp32", "kv-dtype": "fp32"}),
        ({"model_type": "mistral", "sliding_window": None}, {"window": "all-tokens"}),
        ({"model_type": "mistral", "sliding_window": 9}, {"window": "sliding"}),
        ({"model_type": "qwen3_moe", "use_sliding_window": True}, {"window": "sliding"}),
    ],
)
def test_values_choose_options_and_the_user_chooses_last(
    changes: dict[str, Any], expected: dict[str, str], write: Write
) -> None:
    path = write(**changes)
    options = read_config(find_network(path), path).options
    assert {name: options.get(name) for name in expected} == expected
    assert totals(path, "--kv-dtype", "fp8")["choices"]["kv-dtype"] == "fp8"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"num_hidden_layers": ...}, "the key 'num_hidden_layers' is missing; is it a config of llama?"),
        ({"hidden_size": None}, "the key 'hidden_size' is null"),
        ({"hidden_size": "big"}, "hidden_size: expected a whole number, found 'big'"),
        ({"hidden_size": 24.5}, "hidden_size: expected a whole number, found 24.5"),
        ({"hidden_size": True}, "hidden_size: expected a whole number, found True"),
        ({"hidden_size": 25}, "head_dim = hidden_size/num_attention_heads is 4.166666666666667, no whole number"),
        ({"num_hidden_layers": 0}, "num_hidden_layers: 0 is less than 1"),
        ({"num_key_value_heads": 4}, "num_key_value_heads divides num_attention_heads"),
        ({"hidden_act": "relu"}, 'hidden_act = "relu" is not modelled'),
        ({"quantization_config": {"quant_method": "gptq"}}, "drop the key to count the network without it"),
        ({"dtype": "int3"}, 'dtype = "int3" is not modelled; known are bfloat16, null, auto, float16, float32'),
        ({"tie_word_embeddings": "yes"}, 'tie_word_embeddings = "yes" is not modelled; known are true, false'),
        ({"model_type": "gemma3_text", "layer_types": "all"}, "layer_types: expected a list, found 'all'"),
        ({"model_type": "qwen3_moe", "mlp_only_layers": ["a"]}, "mlp_only_layers: expected a list of whole numbers"),
        ({"model_type": ["llama"], "architectures": 5}, 'model_type ["llama"] is of no network here'),
        ({"num_attention_heads": 0}, "config.json: num_attention_heads: 0 is less than 1 (heads); correct it"),
        ({"hidden_size": 10**400 + 1}, "config.json: hidden_size: the value is larger than 1e+18 (width); correct it"),
        ({"text_config": {"hidden_size": 25}}, "hidden_size is 24 at top level and 25 under text_config"),
        ({"num_key_value_heads": -2}, "config.json: num_key_value_heads: -2 is less than 1"),
        ({"dtype": "float32", "torch_dtype": "bfloat16"}, "dtype asks for weight-dtype fp32, and another key asks for"),
        # A cache of transformers follows these keys, whatever the network.
        ({"sliding_window": 4}, "sliding_window = 4 is not modelled; drop the key"),
        ({"layer_types": ["full_attention"] * 3}, "is not modelled; drop the key"),
        ({"attention_chunk_size": 4}, "attention_chunk_size = 4 is not modelled"),
        ({"model_type": "mistral", "sliding_window": 0}, "a window is of at least 2 tokens; without one say"),
        ({"model_type": "mixtral", "output_router_logits": True}, "output_router_logits = true is not modelled"),
        ({"model_type": "qwen3_moe", "norm_topk_prob": 2}, "norm_topk_prob is true or false"),
        ({"model_type": "gemma3_text", "layer_types": ["full_attention"]}, "layer_types lists 1 entries where"),
        ({"model_type": "gemma3_text", "layer_types": [None] * 3}, "layer_types: null is not modelled; known are"),
        ({"model_type": "gemma3_text", "layer_types": ["chunked"] * 3}, 'layer_types: "chunked" is not modelled'),
        ({"model_type": "gemma3_text", "sliding_window": None}, "sliding_window: 0 is less than 1"),
        ({"model_type": "qwen2", "layer_types": ["sliding_attention"] * 3}, "say use_sliding_window true"),
    ],
)
def test_a_config_that_cannot_be_read_is_one_line(changes: dict[str, Any], said: str, write: Write) -> None:
    assert_refused(dsocr("totals", "--config", str(write(**changes))), said)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"n_group": 3}, "n_group divides num_experts"),
        ({"n_group": 4, "topk_group": 5}, "topk_group is at most n_group"),
        ({"n_shared_experts": None}, "n_shared_experts: 0 is less than 1"),
    ],
)
def test_groups_of_experts_that_do_not_fit_are_one_line(changes: dict[str, Any], said: str, write: Write) -> None:
    groups = networks_file().networks["deepseek_v2"][1].values
    assert_refused(dsocr("totals", "--config", str(write({**groups, **changes}))), said)


def test_a_key_that_stands_twice_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text('{"model_type": "llama", "hidden_size": 24, "hidden_size": 48}')
    assert_refused(dsocr("totals", "--config", str(path)), path, 'the key "hidden_size" stands there twice')


def test_layers_that_a_list_names_and_are_not_there_count_nothing(write: Write) -> None:
    listed = {"model_type": "qwen3_moe", "mlp_only_layers": [-1, 0, 7], "num_experts": 4, "num_experts_per_tok": 2}
    path = write(**listed)
    sizes = read_config(find_network(path), path).sizes
    assert (sizes["mlp_only_sparse"], sizes["first_listed"]) == (1, 1)


@pytest.mark.parametrize("name", ["llama", "mixtral", "gemma3_text"])
def test_a_cast_between_equal_dtypes_is_no_launch(name: str, write: Write) -> None:
    content = dict(networks_file().networks[name][0].values)
    narrow, wide = (totals(write({**content, "dtype": dtype}), "--by", "operator") for dtype in ("float16", "float32"))
    launches = [found["total"]["operator_launches"] for found in (narrow, wide)]
    assert launches[0] > launches[1]
    assert not [said for said in wide["warnings"] if "fp32" in said]
    stray = totals(write({**content, "dtype": "float16"}), "--set", "activation=4")["warnings"]
    assert [said for said in stray if "--activation-dtype" in said]


@pytest.mark.parametrize("name", NETWORKS)
def test_whatever_stands_for_a_key_is_a_size_or_one_line(name: str, write: Write) -> None:
    odd = (None, "x", [], {}, -1, 0, 1.5, True, [{}], ["x"], 10**400 + 1, float("nan"))
    stands = {**networks_file().networks[name][0].values, "architectures": [], "text_config": {}}
    for key, value in product(stands, odd):
        path = write({**stands, key: value})
        assert "\n" not in _refusal(path)


def _refusal(path: Path) -> str:
    """Say why a config is refused, nothing if it is not."""
    try:
        scenario_values(make_scenario(definition=load_network(config=path), config=path))
    except UserError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("text", ["", "[", "[" * 100_000, "[]", "1", '{"model_type": 3}', "\x00", "{" * 5])
def test_hostile_json_is_one_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(text)
    found = dsocr("totals", "--config", str(path))
    assert found.status == 2
    assert found.err.count("\n") == 1


def test_a_huge_file_is_no_config(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(b" " * (16 * 2**20 + 1))
    assert_refused(dsocr("totals", "--config", str(path)), "bytes, no config.json is")


@settings(deadline=None, max_examples=25)
@given(
    sizes=st.fixed_dictionaries(
        {
            "num_hidden_layers": st.integers(1, 90),
            "num_key_value_heads": st.integers(1, 8),
            "intermediate_size": st.integers(1, 9000),
            "vocab_size": st.integers(2, 9000),
        }
    ),
    group=st.integers(1, 8),
    head=st.integers(1, 64),
    workload=st.tuples(st.integers(1, 8), st.integers(1, 8192), st.integers(0, 50)),
)
def test_a_dense_network_is_the_sum_of_its_products(
    sizes: dict[str, int], group: int, head: int, workload: tuple[int, int, int]
) -> None:
    batch, prompt, new = workload
    heads, head_dim = sizes["num_key_value_heads"] * group, 2 * head
    model = load_model("llama").what_if(
        **sizes, num_attention_heads=heads, head_dim=head_dim, hidden_size=16, batch=batch, new_tokens=new
    )
    compiled = model.compile(["forward_tensor_core_flops"], over="prompt_tokens", settings={"logits_of_all": 1})
    rows = [(prompt, prompt)] + [(1, prompt + step) for step in range(1, new + 1)]
    kv = sizes["num_key_value_heads"] * head_dim
    per_row = 16 * (2 * heads * head_dim + 2 * kv) + 3 * 16 * sizes["intermediate_size"]
    attention = sum(2 * queries * keys for queries, keys in rows) * heads * head_dim
    tokens = sum(queries for queries, _ in rows)
    layers = sizes["num_hidden_layers"] * (tokens * per_row + attention)
    expected = 2 * batch * (layers + tokens * 16 * sizes["vocab_size"])
    found = compiled(prompt_tokens=prompt)["forward_tensor_core_flops"]
    total = found["total"] if isinstance(found, dict) else found
    assert float(total) == pytest.approx(expected, rel=1e-12)


def test_a_model_file_extends_another_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "small.yaml").write_text(
        "summary: a small one\nextends: llama\nconstants: {hidden_size: {value: 64}, head_dim: {value: 2}}\n"
        "rules: [{require: hidden_size < 100, say: small}]\nserver: null\n"
    )
    small, llama = load_definition(tmp_path / "small.yaml"), find_definition("llama")
    assert small.constants["hidden_size"].formula.text == "64"
    assert small.constants["vocab_size"] == llama.constants["vocab_size"]
    assert [rule.say for rule in small.own_rules] == [*(rule.say for rule in llama.own_rules), "small"]
    assert small.server is None
    one, other = tmp_path / "one.yaml", tmp_path / "formulas" / "models" / "other.yaml"
    other.parent.mkdir(parents=True)
    other.write_text("summary: a\nextends: other\n")
    one.write_text("summary: a\nextends: other\n")
    monkeypatch.setenv("DSOCR_PATH", str(tmp_path))
    with pytest.raises(UserError, match="extends: one -> other -> other: a circle"):
        load_definition(one)


def test_a_change_of_what_is_extended_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "formulas" / "models"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text("summary: mine\nextends: base\n")
    monkeypatch.setenv("DSOCR_PATH", str(tmp_path))
    parameters = []
    for vocabulary in (1000, 2000):
        (folder / "base.yaml").write_text(
            f"summary: base\nextends: llama\nconstants: {{vocab_size: {{value: {vocabulary}}}}}\n"
        )
        parameters.append(json.loads(capture(["totals", "--model", "mine", "--format", "json"]))["total"]["parameters"])
    assert parameters[1] - parameters[0] == 2 * 1000 * 4096


def test_files_of_families_are_short() -> None:
    lines = {name: len(data_files("formulas/models")[name].read_text().splitlines()) for name in NETWORKS}
    assert all(lines[name] <= 40 for name in ("mistral", "qwen2", "qwen3", "qwen3_moe", "mixtral", "gemma3_text")), (
        lines
    )
    assert max(lines.values()) <= 150


def test_what_a_file_does_not_claim_is_null_with_its_reason() -> None:
    document = json.loads(capture(["totals", "--model", "mixtral", "--format", "json"]))
    assert document["total"]["backward_io_bytes"] is None
    assert "no gradient step of this network" in document["null_because"]["backward_io_bytes"]
    with pytest.raises(UserError, match="no gradient step of this network"):
        load_model("mixtral").total("backward_tensor_core_flops")


def test_a_layer_takes_what_its_caller_leaves_out_from_the_network() -> None:
    model = load_model("llama")
    grown = model.what_if(intermediate_size="2*intermediate_size")
    mlp = "prefill/model/layers.0-31/mlp"
    assert grown[mlp].parameters == 2 * model[mlp].parameters
    found = dsocr("totals", "--layer", "llm/decoder_layer")
    assert_refused(found, "grouped_attention needs 'num_key_value_heads' (heads of keys and values); give it there")


VERBS = (
    "tree",
    "formula decode/model/norm",
    "bounds",
    "solve batch 'peak_memory_bytes <= 120e9' --gpu h200",
    "sensitivity",
    "compare batch=1 batch=4",
    "symbols",
    "totals --closed-form",
    "totals --by operator --traffic fused",
)


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("name", ["llama", "deepseek_v2"])
def test_every_verb_answers_for_every_network(name: str, verb: str) -> None:
    assert capture([*shlex.split(verb), "--model", name])


@pytest.mark.parametrize("name", ["qwen3_moe", "gemma3_text"])
def test_reports_of_every_network_are_written(name: str, tmp_path: Path) -> None:
    for word in ("docs", "report"):
        assert dsocr(word, "--model", name, "--out", str(tmp_path / word)).status == 0
    report = yaml.safe_load((tmp_path / "report" / "report.yaml").read_text())
    assert report["model"]["model_variant"] == name
    assert report["workload"]["base_size"] is None


@pytest.mark.parametrize("name", ["mixtral", "qwen3_moe", "deepseek_v2"])
def test_experts_cost_the_same_products_however_they_are_run(name: str) -> None:
    batched, grouped = (load_model(name, experts=way) for way in ("batched", "grouped"))
    for metric in ("forward_tensor_core_flops", "parameters", "forward_kv_cache_bytes"):
        assert batched.total(metric) == grouped.total(metric)


ROUTING = ("mixtral", "qwen3_moe", "deepseek_v2", "deepseek_ocr2_text")
SERVED = ({"execution": "served"}, {"execution": "served", "kernels": "fused"})
WAYS = [
    *((name, {"experts": way}) for name in ROUTING for way in ("batched", "grouped")),
    *((name, way) for name in ("mixtral", "qwen3_moe") for way in SERVED),
]


@pytest.mark.parametrize(("name", "choices"), WAYS)
def test_the_experts_that_are_hit_can_be_set_wherever_they_are_routed(name: str, choices: dict[str, str]) -> None:
    """A copy per row moves the same whatever is hit; else each expert that is hit is read once, in each layer."""
    hits = ("prefill_experts_hit", "decode_experts_hit")
    moved = load_model(name, **choices).what_if(batch=4, new_tokens=3).compile("forward_io_bytes", over=hits)
    size = {key: int(known.formula.text) for key, known in find_definition(name).constants.items() if known.value}
    least = size["num_experts_per_tok"]
    few, more = (moved(**dict.fromkeys(hits, least + extra))["forward_io_bytes"] for extra in (0, 1))
    layers = size["num_hidden_layers"] - (size["dense_layers"] if name.startswith("deepseek") else 0)
    expert = layers * 3 * size["hidden_size"] * size["moe_intermediate_size"] * 2
    read = expert * (choices.get("experts") != "batched")
    assert {stage: more[stage] - few[stage] for stage in ("prefill", "decode")} == {"prefill": read, "decode": 3 * read}


REFUSED = (
    ("decode_experts_hit=1", "one token alone hits num_experts_per_tok experts"),
    ("decode_experts_hit=9", "decode_experts_hit is at most num_experts"),
    ("prefill_experts_hit=9", "prefill_experts_hit is at most num_experts"),
    ("decode_experts_hit=4", "a decode step routes 2 rows; it cannot hit more experts"),
    ("prefill_experts_hit=8 --set prompt_tokens=2", "prefill routes 4 rows; it cannot hit more experts"),
)


@pytest.mark.parametrize(("given", "said"), REFUSED)
def test_experts_that_cannot_be_hit_are_refused_as_of_the_first_network(given: str, said: str) -> None:
    for way in ("--experts grouped", "--execution served"):
        found = dsocr(*shlex.split(f"totals --model mixtral {way} --set {given}"))
        assert_refused(found, said)


def test_a_lower_bound_takes_the_luckiest_routing_however_experts_run() -> None:
    bounds = []
    for way in ("batched", "grouped"):
        model = load_model("mixtral", experts=way).what_if(batch=16)
        bounds.append(model.compile("lower_bound_s", over="new_tokens", gpu="h200")(new_tokens=4)["lower_bound_s"])
    assert bounds[0]["total"] == bounds[1]["total"]


def test_numbers_stand_for_symbols_in_trees_too() -> None:
    definition = find_definition("llama")
    from dsocr_symbolic.language.library import load_library
    from dsocr_symbolic.scenario.scenario import make_scenario, scenario_values
    from dsocr_symbolic.scenario.values import chosen_slots

    scenario = make_scenario(definition=definition)
    numbers = scenario_values(scenario).numbers
    tree = build_tree(
        load_library(),
        definition.stages,
        numbers,
        chosen_slots(definition, scenario.options),
        arithmetic,
        sizes=definition.sizes,
    )
    assert tree[0].children[0].given["sequence"] == numbers["prompt_tokens"]


def test_networks_are_compared_with_one_another(write: Write) -> None:
    found = dsocr(
        "compare", "model=llama", "model=qwen3,batch=2", f"config={write()}", "--gpu", "h200", "--format", "json"
    )
    assert found.status == 0, found.err
    comparison = json.loads(found.out)["comparison"]
    assert [about["model"] for about in comparison["about"]] == ["llama", "qwen3", "llama"]
    assert {about["gpu"] for about in comparison["about"]} == {"h200"}
    flops = comparison["metrics"].index("forward_tensor_core_flops")
    small = json.loads(capture(["totals", "--config", str(write()), "--gpu", "h200", "--format", "json"]))
    assert comparison["differences"][flops][1]["value"] == small["total"]["forward_tensor_core_flops"]
    assert_refused(dsocr("compare", "model=llama", "model=llana"), "did you mean llama")
