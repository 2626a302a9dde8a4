"""What other tools read: the schema of ``dsocr totals --format json``, and its twins in YAML and CSV."""

import csv
import io
import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import yaml
from conftest import evaluate_model, uncommented
from test_cli import WORKLOADS, dsocr

from dsocr_symbolic.language.lookup import default_definition
from dsocr_symbolic.language.registry import load_metrics

_KINDS = ("tensor_core_flops", "cuda_core_flops", "io_bytes", "arithmetic_intensity")
_KINDS += ("weight_bytes", "activation_bytes", "kv_cache_bytes")
REGISTRY = [f"{way}_{kind}" for way in ("forward", "backward") for kind in _KINDS]
LATENCIES = {f"{name}{bound}_s" for name in ("ttft", "tpot") for bound in ("", "_lower_bound", "_wall")}
LATENCIES |= {"pages_per_s", "tokens_per_s", "cost_per_1000_pages", "energy_per_1000_pages"}
REGISTRY += ["parameters", "operator_launches", "roofline_s", "forward_fused_io_bytes", *sorted(LATENCIES)]
REGISTRY += ["lower_bound_s", "peak_memory_bytes"]
REGISTRY += ["device_kernels", "device_s", "backward_device_s", "wall_s"]
REGISTRY += [f"device_{term}_s" for term in ("compute", "memory", "access", "latency")]
SERVER = {"kv_pool_tokens", "kv_pool_pages", "kv_pool_requests", "preempted_share"}
REGISTRY += sorted(SERVER)
NOT_BUILT = {"backward_kv_cache_bytes"}
BACKWARD = {name for name in REGISTRY if name.startswith("backward_")}
FLOWS = ("forward_tensor_core_flops", "forward_cuda_core_flops", "forward_io_bytes", "operator_launches")
STOCKS = ("parameters", "forward_weight_bytes", "forward_kv_cache_bytes")
STAGES = ("vision", "projector", "prefill", "decode")
LANGUAGE = ("inputs", "embed_tokens", "attention_mask", "layers.0", "layers.1-11", "norm", "lm_head")
PATHS = {
    *(f"vision/{view}/{part}" for view in ("global", "crops") for part in ("preprocess", "sam_model", "vision_model")),
    *(f"projector/{part}" for part in ("global", "crops", "assemble")),
    *(f"{stage}/{part}" for stage in ("prefill", "decode") for part in LANGUAGE),
}
MODULES = {
    "vision/global/sam_model": "model.sam_model",
    "vision/crops/sam_model": "model.sam_model",
    "vision/global/sam_model/neck.1": "model.sam_model.neck.1",
    "vision/crops/vision_model": "model.vision_model",
    "vision/global/vision_model/transformer": "model.vision_model.transformer",
    "projector/global": "model.projector",
    "projector/crops": "model.projector",
    "prefill/embed_tokens": "model.embed_tokens",
    "decode/embed_tokens": "model.embed_tokens",
    "prefill/layers.0/self_attn": "model.layers.0.self_attn",
    "prefill/layers.1-11": "model.layers.1-11",
    "decode/layers.1-11/mlp/gate": "model.layers.1-11.mlp.gate",
    "decode/layers.1-11/mlp/shared_experts": "model.layers.1-11.mlp.shared_experts",
    "prefill/norm": "model.norm",
    "decode/norm": "model.norm",
    "prefill/lm_head": "lm_head",
    "decode/lm_head": "lm_head",
}


@cache
def document(*arguments: str) -> dict[str, Any]:
    answer = dsocr("totals", "--format", "json", *arguments)
    assert (answer.status, answer.err) == (0, "")
    found: dict[str, Any] = json.loads(answer.out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    return found


@cache
def nodes(*arguments: str) -> dict[str, dict[str, Any]]:
    found = document(*arguments)["nodes"]
    by_path = {each["path"]: each for each in found}
    assert len(by_path) == len(found)
    return by_path


def everything(data: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every leaf with its place."""
    if isinstance(data, dict | list):
        for key, value in data.items() if isinstance(data, dict) else enumerate(data):
            yield from everything(value, f"{place}/{key}")
    else:
        yield place, data


def metrics_of(found: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield found["total"]
    yield from found["stages"].values()
    for each in found["nodes"]:
        yield {name: each[name] for name in REGISTRY}


def children(found: dict[str, dict[str, Any]], path: str) -> list[dict[str, Any]]:
    return [each for name, each in found.items() if name.rpartition("/")[0] == path]


# schema


def test_the_registry_is_the_contract() -> None:
    assert sorted(load_metrics()) == sorted(REGISTRY)
    assert {name for name, metric in load_metrics().items() if metric.kind == "null"} == NOT_BUILT


@pytest.mark.parametrize("arguments", [(), ("--workload", "tiny"), ("--by", "operator"), ("--layer", "vision/block")])
def test_keys(arguments: tuple[str, ...]) -> None:
    found = document(*arguments)
    keys = ("schema_version", "model", "workload", "gpu", "choices", "conventions")
    assert set(found) >= {*keys, "total", "stages", "nodes", "closed_form"}
    assert (found["schema_version"], found["model"], found["gpu"]) == (4, "deepseek-ocr", "rtx5090")
    assert found["closed_form"] == {}
    for metrics in metrics_of(found):
        assert set(metrics) == set(REGISTRY)
    for each in found["nodes"]:
        assert set(each) >= {"path", "module", "layer", "stage", "category", "calls"}
        assert each["stage"] == each["path"].partition("/")[0]


def test_stages_stand_in_order() -> None:
    assert tuple(document()["stages"]) == STAGES
    assert {each["stage"] for each in document()["nodes"]} == set(STAGES)


def test_what_does_not_exist_is_null_with_a_reason_and_nothing_else_is() -> None:
    found = document("--by", "operator")
    for place, metrics in [("", found["total"]), *found["stages"].items(), *((n["path"], n) for n in found["nodes"])]:
        missing = {name for name in REGISTRY if metrics[name] is None}
        # Nothing moved is no ratio.
        expected = {f"{way}_arithmetic_intensity" for way in ("forward", "backward") if not metrics[f"{way}_io_bytes"]}
        expected |= BACKWARD if place.partition("/")[0] == "decode" else NOT_BUILT
        expected |= LATENCIES | SERVER if place else set()
        expected |= {"peak_memory_bytes"} if "/" in place else set()
        expected |= {"lower_bound_s"} if "/" in place and place not in ("vision/crops", "vision/global") else set()
        assert missing == expected, place
        assert missing <= set(found["null_because"])


def test_no_decode_step_is_no_time_per_token() -> None:
    total = document("--set", "new_tokens=0")["total"]
    assert (total["tpot_s"], total["tpot_lower_bound_s"]) == (None, None)
    assert total["ttft_s"] > total["ttft_lower_bound_s"] > 0


@pytest.mark.parametrize(
    "arguments",
    [(), ("--set", "batch=3"), ("--workload", "base"), ("--set", "flops_per_exp=1/3"), ("--by", "operator")],
)
def test_a_whole_number_is_an_integer(arguments: tuple[str, ...]) -> None:
    found = document(*arguments)
    assert [place for place, value in everything(found) if isinstance(value, float) and value.is_integer()] == []
    whole = ["parameters", "forward_weight_bytes", "forward_kv_cache_bytes", "forward_tensor_core_flops"]
    whole += [] if "flops_per_exp=1/3" in arguments else ["forward_cuda_core_flops"]
    for metrics in metrics_of(found):
        for name in whole:
            assert type(metrics[name]) is int


def test_bytes_and_launches_are_integers_where_routing_is_whole() -> None:
    hit = ("--set", "batch=3", "--set", "prefill_experts_hit=64", "--set", "decode_experts_hit=17")
    for metrics in metrics_of(document(*hit)):
        assert type(metrics["forward_io_bytes"]) is int
        assert type(metrics["operator_launches"]) is int
    assert type(document("--set", "batch=7")["total"]["forward_io_bytes"]) is float


@pytest.mark.parametrize(
    "peaks",
    [
        ("memory_bandwidth=1792000000001", "tensor_core_peak=3", "cuda_core_peak=7"),
        ("memory_bandwidth=1/3", "tensor_core_peak=2/7", "cuda_core_peak=1e12"),
    ],
)
def test_a_machine_of_ones_own(peaks: tuple[str, ...]) -> None:
    arguments = [part for peak in peaks for part in ("--set", peak)]
    answer = dsocr("totals", "--format", "json", *arguments)
    assert (answer.status, json.loads(answer.out)["total"]["roofline_s"] > 0) == (0, True)
    assert "is that of no machine: is it in another unit?" in answer.err
    assert dsocr("totals", *arguments).status == 0
    assert dsocr("totals", *arguments, "--format", "yaml").status == 0
    assert dsocr("formula", "prefill", "--metric", "roofline_s", *arguments).status == 0


def test_workload_lists_every_symbol_with_its_value() -> None:
    assert document()["workload"] == {
        "batch": 1, "base_size": 1024, "image_size": 640, "crop_columns": 3, "crop_rows": 2, "max_crops": 9,
        "text_tokens": 10, "new_tokens": 512, "cached_tokens": 0, "chunk_tokens": 903, "crops": 6, "view_tokens": 893,
        "image_tokens": 893, "prompt_tokens": 903, "vision_tokens": 856, "compression": 512 / 856,
        "prefill_experts_hit": 64,
        "fewest_prefill_experts_hit": 6, "decode_experts_hit": 6, "fewest_decode_experts_hit": 6,
    }  # fmt: skip


def test_an_overridden_symbol_is_printed_with_what_its_formula_gives() -> None:
    found = document("--workload", "dsocr-standard-v1")
    assert found["workload"]["prompt_tokens"] == 512
    assert found["overridden"] == {
        "prompt_tokens": {"value": 512, "origin": "workload dsocr-standard-v1", "formula_gives": 693}
    }
    assert document()["overridden"] == {}


def test_choices_and_conventions_are_part_of_it() -> None:
    found = document("--attention", "eager", "--logits", "last")
    definition = default_definition(None)
    defaults = {name: choice.default for name, choice in definition.choices.items()}
    assert found["choices"] == {**defaults, "attention": "eager", "logits": "last"}
    statements = " ".join(found["conventions"]["statements"])
    assert "2 FLOPs" in statements
    assert found["conventions"]["symbols"]["flops_per_exp"] == 1
    assert found["conventions"]["symbols"]["weight"] == 2


# paths


@pytest.mark.parametrize("workload", WORKLOADS)
def test_paths_are_in_every_workload(workload: str) -> None:
    found = nodes("--workload", workload)
    assert set(found) >= PATHS
    assert set(found) == set(nodes())


@pytest.mark.parametrize(
    "arguments",
    [
        ("--workload", "tiny", "--set", "new_tokens=0"),
        ("--set", "base_size=1280", "--set", "image_size=512"),
        ("--set", "batch=5", "--set", "num_hidden_layers=3"),
        ("--attention", "eager", "--experts", "loop"),
    ],
)
def test_paths_do_not_change_with_values(arguments: tuple[str, ...]) -> None:
    names = {path for path in nodes() if "/attend" not in path and not path.endswith("attention_mask")}
    assert names <= set(nodes(*arguments))
    if "--attention" not in arguments:
        assert set(nodes(*arguments)) == set(nodes())


def test_what_is_unused_is_zero() -> None:
    found = nodes("--workload", "tiny", "--set", "new_tokens=0")
    unused = [path for path in found if path.startswith(("vision/crops/", "projector/crops", "decode/"))]
    assert len(unused) > 20
    for path in unused:
        assert [found[path][flow] for flow in (*FLOWS, "roofline_s")] == [0] * 5, path
    assert found["vision/crops/sam_model"]["calls"] == found["decode/norm"]["calls"] == 0


def test_modules_are_checkpoint_paths() -> None:
    found = nodes()
    assert {path: found[path]["module"] for path in MODULES} == MODULES


def test_layers_are_named_as_their_files() -> None:
    found = nodes()
    assert found["vision/global/sam_model"]["layer"] == "vision/image_encoder_vit"
    assert found["prefill/layers.1-11/mlp"]["layer"] == "decoder/deepseek_v2_moe"
    assert found["prefill/lm_head"]["layer"] == "decoder/lm_head"


def test_layers_of_pytorch_are_layers_too() -> None:
    """Linear, Conv2d, GELU, SiLU, LayerNorm and Embedding are among the network's unique layers."""
    found = nodes()
    assert {
        "vision/global/sam_model/patch_embed/proj",
        "vision/global/sam_model/net_2",
        "vision/global/sam_model/blocks.global/mlp/act",
        "prefill/layers.0/self_attn/q_proj",
        "prefill/layers.0/mlp/act_fn",
        "vision/global/vision_model/pre_layrnorm",
    } <= set(found)


def test_by_operator_adds_operators() -> None:
    layers, both = nodes(), nodes("--by", "operator")
    assert set(layers) < set(both)
    added = [both[path] for path in both if path not in layers]
    assert all(each["layer"].startswith("operators/") for each in added)
    assert all(each["category"] for each in added)
    assert "prefill/lm_head/product" in both
    for path, each in layers.items():
        assert both[path] == each


def test_calls() -> None:
    found = nodes("--set", "new_tokens=100")
    calls = {path: found[path]["calls"] for path in ("prefill", "prefill/layers.1-11", "decode/layers.1-11/mlp")}
    assert calls == {"prefill": 1, "prefill/layers.1-11": 11, "decode/layers.1-11/mlp": 1100}
    assert found["vision/global/sam_model/blocks.windowed"]["calls"] == 8
    assert nodes("--set", "batch=3")["vision/crops/sam_model"]["calls"] == 3


# sums


@pytest.mark.parametrize("arguments", [(), ("--workload", "tiny"), ("--set", "batch=4"), ("--attention", "eager")])
def test_flows_of_children_add_up_to_their_parent(arguments: tuple[str, ...]) -> None:
    # Whole routing: every sum is one of ints.
    arguments += ("--set", "prefill_experts_hit=60", "--set", "decode_experts_hit=6")
    found = nodes(*arguments, "--by", "operator")
    parents = 0
    for path, each in found.items():
        below = children(found, path)
        parents += bool(below)
        for flow in FLOWS if below else ():
            assert sum(child[flow] for child in below) == each[flow], (path, flow)
        if below:
            assert sum(child["roofline_s"] for child in below) == pytest.approx(each["roofline_s"], rel=1e-12)
    assert parents > 90


@pytest.mark.parametrize("arguments", [(), ("--workload", "tiny"), ("--set", "batch=3"), ("--workload", "large")])
def test_total_is_the_sum_of_stages(arguments: tuple[str, ...]) -> None:
    found = document(*arguments)
    for flow in (*FLOWS, "roofline_s"):
        added, total = sum(stage[flow] for stage in found["stages"].values()), found["total"][flow]
        assert added == total if isinstance(total, int) else added == pytest.approx(total, rel=1e-12)
    for name, stage in found["stages"].items():
        assert {metric: nodes(*arguments)[name][metric] for metric in REGISTRY} == stage
    flops = found["total"]["forward_tensor_core_flops"] + found["total"]["forward_cuda_core_flops"]
    intensity = flops / found["total"]["forward_io_bytes"]
    assert found["total"]["forward_arithmetic_intensity"] == pytest.approx(intensity, rel=1e-14)


def test_stocks_count_a_module_once() -> None:
    found = nodes("--by", "operator")
    total = document()["total"]
    assert total["forward_weight_bytes"] == 6_672_212_480
    modules: dict[str, int] = {}
    for path, each in found.items():
        assert each["parameters"] <= total["parameters"]
        if each["module"]:
            own = each["parameters"] - sum(child["parameters"] for child in children(found, path))
            assert modules.setdefault(each["module"], own) == own
    assert sum(modules.values()) == total["parameters"] == 3_336_106_240


@pytest.mark.parametrize("workload", ["gundam", "tiny"])
def test_json_says_what_the_api_says(workload: str) -> None:
    found, expected = document("--workload", workload), evaluate_model(workload, details=True)
    assert found["total"] == dict(expected.total)
    assert found["stages"] == {name: dict(metrics) for name, metrics in expected.stages.items()}


# twins


@pytest.mark.parametrize("arguments", [(), ("--workload", "dsocr-standard-v1", "--closed-form", "--set", "batch=2")])
def test_yaml_is_the_same_document(arguments: tuple[str, ...]) -> None:
    answer = dsocr("totals", "--format", "yaml", *arguments)
    assert answer.status == 0
    said, told = yaml.safe_load(answer.out), document(*arguments)
    # Which format was typed differs.
    assert said.pop("command") == told.pop("command").replace("json", "yaml")
    assert said == told


@pytest.mark.parametrize("view", ["total", "stage", "category", "layer", "operator"])
def test_csv(view: str) -> None:
    answer = dsocr("totals", "--format", "csv", "--by", view)
    head, *rows = list(csv.reader(io.StringIO(uncommented(answer.out))))
    assert head == [view, "calls", *load_metrics()]
    assert rows
    total = document()["total"]
    columns = dict(zip(head, zip(*rows, strict=True), strict=True))
    for flow in FLOWS:
        assert sum(int(each) for each in columns[flow]) == total[flow]
    assert sum(float(each) for each in columns["roofline_s"]) == pytest.approx(total["roofline_s"], rel=1e-12)
    for name in NOT_BUILT:
        assert set(columns[name]) == {""}
    for stock in STOCKS:
        shown = {each != "" for each in columns[stock]}
        assert shown == {view not in ("category", "operator")}
    if view == "stage":
        assert columns["stage"] == STAGES
        assert columns["parameters"] == tuple(str(stage["parameters"]) for stage in document()["stages"].values())


def test_every_operator_has_one_of_the_categories_and_other_is_empty() -> None:
    kinds = ["convolution", "linear", "attention", "normalisation", "activation", "elementwise", "embedding", "routing"]
    rows = list(csv.reader(io.StringIO(uncommented(dsocr("totals", "--format", "csv", "--by", "category").out))))
    assert [row[0] for row in rows[1:]] == [*kinds, "data movement", "other"]
    # Copies of counts to the host, one for each MoE layer that runs, which no operator shows.
    assert rows[-1][1:3] == [str(11 * 513), "0"]
    assert rows[-1][rows[0].index("operator_launches")] == "0"
    used = {each["category"] for each in nodes("--by", "operator").values()} - {None}
    assert used == {*kinds, "data movement"}
    eager = {each["category"] for each in nodes("--by", "operator", "--attention", "eager").values()} - {None}
    assert eager == used


def test_closed_form_of_stages_and_total() -> None:
    forms = document("--closed-form", "--set", "batch=1")["closed_form"]
    assert set(forms) == {*STAGES, "total"}
    for name, each in forms.items():
        assert set(each) == set(REGISTRY), name
        texts = {metric for metric, form in each.items() if form is not None}
        trained = set() if name == "decode" else {each for each in BACKWARD - NOT_BUILT if "intensity" not in each}
        assert texts == {*FLOWS, *STOCKS, "device_kernels"} | trained - {"backward_device_s"}
        assert all(isinstance(each[metric], str) for metric in texts)
