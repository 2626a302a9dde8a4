"""Forecasts: what kernels and walls keep to, whoever's constants they are, and what is said where nobody measured."""

import json
from pathlib import Path
from typing import Any

import pytest
import sympy
import yaml
from conftest import evaluate_model
from hypothesis import given
from hypothesis import strategies as st
from test_cli import assert_refused, dsocr

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.language.expression import names
from dsocr_symbolic.language.files.calibration_file import GridFile, calibration_file
from dsocr_symbolic.language.lookup import find_definition
from dsocr_symbolic.language.registry import load_machine
from dsocr_symbolic.language.time_formula import LIMITS, TimeFormula, device_classes, load_time, measured_symbols
from dsocr_symbolic.network.model_tree import model_tree
from dsocr_symbolic.network.node import walk
from dsocr_symbolic.paths import data_files
from dsocr_symbolic.questions.totals.seconds_text import limit_of
from dsocr_symbolic.scenario.hardware import load_gpu
from dsocr_symbolic.scenario.values import choose, chosen_slots

ROUNDING = 1e-9
H200 = data_files("hardware")["h200"]
POSITIVE, SIZES = st.floats(min_value=1e-9, max_value=1e12), st.integers(min_value=1, max_value=10**6)


@pytest.mark.parametrize("name", device_classes())
@given(data=st.data())
def test_a_kernel_takes_as_long_as_its_longest_term_at_least_and_all_of_them_at_most(
    name: str, data: st.DataObject
) -> None:
    formula = load_time(f"device/{name}")
    values: dict[str, Any] = {symbol: data.draw(POSITIVE) for symbol in used_by(formula) & load_machine().keys()}
    values |= {symbol: data.draw(SIZES) for symbol in formula.arguments}
    if "steps" in values:  # the last queries meet all keys, those before them fewer
        values["steps"] += values["blocks"]
    spelled = formula.spelled(values, arithmetic)
    terms = [spelled[term] for term in formula.terms]
    assert terms
    slack = ROUNDING * sum(map(abs, terms))
    assert max(terms) - slack <= spelled["seconds"] <= sum(terms) + slack


@pytest.mark.parametrize("name", device_classes())
def test_each_class_has_terms_that_limit_and_constants_that_are_measured(name: str) -> None:
    formula = load_time(f"device/{name}")
    assert set(formula.terms) <= set(LIMITS)
    assert formula.source
    assert used_by(formula) & measured_symbols()[0] or "rate" in formula.arguments


def used_by(formula: TimeFormula) -> frozenset[str]:
    return frozenset[str]().union(*map(names, formula.terms.values()))


@pytest.fixture(scope="module", params=["h200", "rtx5090"])
def result(request: pytest.FixtureRequest) -> Any:
    return evaluate_model("gundam", gpu=request.param, details=True)


def test_seconds_of_the_gpu_add_up(result: Any) -> None:
    for metric in ("device_s", *(f"device_{term}_s" for term in LIMITS)):
        stages = [metrics[metric] for metrics in result.stages.values()]
        assert result.total[metric] == pytest.approx(sum(stages), rel=ROUNDING)
    for node in result.nodes:
        terms = sum(node.metrics[f"device_{term}_s"] for term in LIMITS)
        assert node.metrics["device_s"] <= terms * (1 + ROUNDING), node.row.path


def test_the_gpu_is_never_faster_than_its_bound(result: Any) -> None:
    for name, metrics in {"total": result.total, **result.stages}.items():
        assert metrics["lower_bound_s"] <= metrics["device_s"] <= metrics["wall_s"] * (1 + ROUNDING), name


def test_what_passes_is_at_least_what_the_gpu_needs_and_at_most_that_of_the_parts(result: Any) -> None:
    for index, node in enumerate(result.nodes, start=1):
        wall, device = node.metrics["wall_s"], node.metrics["device_s"]
        assert wall >= device * (1 - ROUNDING), node.row.path
        inside = sum(result.nodes[child - 1].metrics["wall_s"] for child in result.below[index])
        own = device - sum(result.nodes[child - 1].metrics["device_s"] for child in result.below[index])
        if result.below[index] and own <= device * ROUNDING and not node.row.waits:
            assert wall <= inside * (1 + ROUNDING), node.row.path
    assert result.total["wall_s"] <= sum(metrics["wall_s"] for metrics in result.stages.values()) * (1 + ROUNDING)


def test_more_to_do_takes_no_less_time() -> None:
    seconds = [evaluate_model("gundam", {"batch": batch}, gpu="h200").total for batch in (1, 2, 8, 64)]
    for metric in ("device_s", "wall_s"):
        values = [total[metric] for total in seconds]
        assert values == sorted(values)


def test_a_limit_is_the_largest_term_or_the_host() -> None:
    terms = {f"device_{term}_s": 1.0 for term in LIMITS}
    assert limit_of({**terms, "device_memory_s": 3.0, "device_s": 4.0, "wall_s": 5.0}) == "memory"
    assert limit_of({**terms, "device_memory_s": 3.0, "device_s": 4.0, "wall_s": 9.0}) == "host"
    assert limit_of({**terms, "device_access_s": 3.0, "device_s": 4.0, "wall_s": None}) == "access"
    assert limit_of({**terms, "device_s": None}) is None
    assert limit_of({"device_s": 4.0}) is None


# graphs


def test_a_graph_pauses_between_kernels_and_needs_no_host() -> None:
    eager = evaluate_model("gundam", gpu="h200", experts="grouped")
    graph = evaluate_model("gundam", gpu="h200", experts="grouped", host="graph")
    assert graph.total["device_s"] == eager.total["device_s"]
    for name, metrics in graph.stages.items():
        assert metrics["device_s"] < metrics["wall_s"] <= eager.stages[name]["wall_s"], name
    slower = evaluate_model("gundam", {"decoder_launch": 1e-3}, gpu="h200", experts="grouped", host="graph")
    assert slower.stages["decode"]["wall_s"] == pytest.approx(graph.stages["decode"]["wall_s"])
    pauses = graph.values.numbers["graph_gap"] * graph.stages["decode"]["device_kernels"]
    between = graph.stages["decode"]["wall_s"] - graph.stages["decode"]["device_s"]
    assert pauses <= between < 1.5 * pauses


def test_parts_of_the_network_may_be_captured() -> None:
    eager = evaluate_model("gundam", gpu="h200")
    vision = evaluate_model("gundam", gpu="h200", host="graph-vision")
    assert vision.stages["vision"]["wall_s"] < eager.stages["vision"]["wall_s"]
    for name in ("prefill", "decode"):
        assert vision.stages[name]["wall_s"] == pytest.approx(eager.stages[name]["wall_s"], rel=ROUNDING)


@pytest.mark.parametrize("host", ["graph", "graph-decode"])
def test_the_loop_over_experts_is_not_captured(host: str) -> None:
    assert_refused(dsocr("totals", "--gpu", "h200", "--host", host), "loop over experts waits", "--experts grouped")
    assert dsocr("totals", "--gpu", "h200", "--host", host, "--experts", "grouped").status == 0


# whose constants


def test_texts_say_where_constants_are_from() -> None:
    measured, derived = dsocr("totals", "--gpu", "h200").out, dsocr("totals", "--gpu", "rtx5090").out
    assert "measured on NVIDIA H200" in measured
    assert "~" not in measured
    assert "nothing was measured on this GPU" in derived
    assert "device~" in derived
    assert "~: derived from measurements of another GPU" in " ".join(derived.split())
    machine = json.loads(dsocr("totals", "--gpu", "rtx5090", "--format", "json").out)["machine"]
    assert (machine["measured"], machine["derived_from"]) == (None, "h200")


def test_derived_constants_are_the_reference_times_the_ratio_of_a_rule() -> None:
    gpus = [load_gpu(name).numbers for name in ("rtx5090", "h200")]
    clock, bandwidth = (
        float(gpus[0][key].value_si) / float(gpus[1][key].value_si)
        for key in ("boost_clock_hz", "memory_bandwidth_bytes_per_s")
    )
    numbers = evaluate_model("gundam", gpu="rtx5090").values.numbers
    assert numbers["stream_bandwidth"] == pytest.approx(float(gpus[1]["stream_bytes_per_s"].value_si) * bandwidth)
    assert numbers["kernel_floor"] == pytest.approx(float(gpus[1]["kernel_floor_s"].value_si) / clock)
    assert numbers["decoder_launch"] == float(gpus[1]["decoder_launch_s"].value_si)


def test_no_forecast_is_made_of_a_gpu_that_lacks_what_a_rule_needs(tmp_path: Path) -> None:
    content = yaml.safe_load(data_files("hardware")["rtx5090"].read_text(encoding="utf-8"))
    del content["numbers"]["boost_clock_mhz"]
    content["title"] = "Mine"
    mine = tmp_path / "mine.yaml"
    mine.write_text(yaml.safe_dump(content), encoding="utf-8")
    shown = dsocr("totals", "--gpu", str(mine))
    assert shown.status == 0
    assert "device" not in shown.out.partition("lower bound")[0].partition("stage ")[2]
    assert "no forecast is made for mine" in " ".join(shown.out.split())
    document = json.loads(dsocr("totals", "--gpu", str(mine), "--format", "json").out)
    assert document["total"]["device_s"] is None
    assert "no forecast is made" in document["null_because"]["wall_s"]


# machine files


def machine_file(folder: Path, **changes: Any) -> Path:
    content = yaml.safe_load(H200.read_text(encoding="utf-8"))["measured"]
    content |= changes
    path = folder / "machine.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def test_a_machine_file_gives_the_constants(tmp_path: Path) -> None:
    constants = yaml.safe_load(H200.read_text(encoding="utf-8"))["measured"]["constants"]
    doubled = {**constants, "decoder_launch_us": {**constants["decoder_launch_us"]}}
    doubled["decoder_launch_us"]["value"] *= 2
    path = machine_file(tmp_path, constants=doubled, date="2030-01-02")
    document = json.loads(dsocr("totals", "--machine", str(path), "--format", "json").out)
    plain = json.loads(dsocr("totals", "--gpu", "h200", "--format", "json").out)
    assert document["gpu"] == plain["gpu"]
    assert "2030-01-02" in document["machine"]["measured"]
    assert document["total"]["device_s"] == plain["total"]["device_s"]
    assert document["stages"]["decode"]["wall_s"] > 1.5 * plain["stages"]["decode"]["wall_s"]


CONSTANT = {"value": 1.0, "records": ["add_small"]}
BAD_FILES: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "another schema": ({"schema": "dsocr machine 0"}, ("schema", "dsocr machine 0", "run dsocr calibrate again")),
    "no constants": ({"constants": {}}, ("is missing", "run dsocr calibrate again")),
    "negative": ({"constants": {"kernel_floor_us": {**CONSTANT, "value": -1}}}, ("kernel_floor_us", "-1")),
    "no unit": ({"constants": {"kernel_floor": CONSTANT}}, ("kernel_floor", "no known unit")),
    "a word": ({"constants": {"kernel_floor_us": {**CONSTANT, "value": "fast"}}}, ("kernel_floor_us", "fast")),
    "another key": ({"constants": {"kernel_floor_us": {**CONSTANT, "note": 1}}}, ("kernel_floor_us", "note")),
    "a list": ({"constants": [1]}, ("constants",)),
    "an unknown GPU": ({"gpu": "h300"}, ("h300",)),
    "no device": ({"device": ""}, ("device",)),
}


@pytest.mark.parametrize(("changes", "words"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_bad_machine_file_is_one_line(tmp_path: Path, changes: dict[str, Any], words: tuple[str, ...]) -> None:
    path = machine_file(tmp_path, **changes)
    assert_refused(dsocr("totals", "--machine", str(path)), *words)


def test_a_machine_file_that_is_not_there_and_two_machines_are_one_line(tmp_path: Path) -> None:
    assert_refused(dsocr("totals", "--machine", str(tmp_path / "no.yaml")), "no.yaml")
    assert_refused(dsocr("totals", "--machine", str(machine_file(tmp_path)), "--gpu", "rtx5090"), "h200", "rtx5090")


def test_calibrate_needs_a_gpu_and_replaces_no_file(tmp_path: Path) -> None:
    there = tmp_path / "machine.yaml"
    there.write_text("mine\n", encoding="utf-8")
    assert_refused(dsocr("calibrate", "--out", str(there)), "machine.yaml", "--force")
    assert there.read_text(encoding="utf-8") == "mine\n"
    assert_refused(dsocr("calibrate", "--out", str(tmp_path / "other.yaml")), "GPU")
    assert_refused(dsocr("measure", "--out", str(tmp_path / "measured.json")), "GPU")


# the grid


BATCHES = [("base", 2**power) for power in range(8)]


@pytest.mark.parametrize(
    ("workload", "batch"), [*BATCHES, *((name, 1) for name in ("tiny", "small", "large", "gundam"))]
)
def test_no_shape_of_the_grid_is_one_of_the_network(workload: str, batch: int) -> None:
    """What constants are fitted to, the network never runs: else they would be fitted to it."""
    grid: GridFile = calibration_file(GridFile, "grid")
    definition = find_definition("deepseek-ocr")
    slots = chosen_slots(definition, choose(definition, {}))
    sizes = {
        (name, frozenset(shape_of({key: evaluated(value.text) for key, value in record.given.items()})))
        for record in grid.records.values()
        for name in (record.use.rpartition("/")[2],)
    }
    numbers = evaluate_model(workload, {"batch": batch}).values.numbers
    scope = {name: sympy.nsimplify(value) for name, value in numbers.items() if not isinstance(value, float)}
    scope = {name: scope.get(name, sympy.Symbol(name)) for name in definition.quantities}
    nodes = list(walk(model_tree(definition, slots, training=False, scope=scope)))
    found = {(node.formula.name, frozenset(shape_of(node.given))) for node in nodes}
    assert len(found) > 200
    assert {(name, shape) for name, shape in sizes & found if shape} == set()


def evaluated(text: str) -> Any:
    return sympy.sympify(text)


def shape_of(given: Any) -> list[tuple[str, str]]:
    """Return the sizes among symbols: bytes of elements are no shape."""
    return [(name, str(value)) for name, value in given.items() if "dtype" not in name]


# every verb says what its forecasts rest on

VERBS = {
    "solve": ("solve", "batch", "tpot_wall_s <= 1"),
    "sensitivity": ("sensitivity", "--metric", "tpot_wall_s"),
    "formula": ("formula", "decode", "--metric", "device_s"),
    "sweep": ("sweep", "--vary", "batch=1,2", "--metric", "wall_s"),
    "compare": ("compare", "batch=1", "batch=2", "--metric", "wall_s"),
    "tree": ("tree", "--depth", "1"),
}


@pytest.mark.parametrize("arguments", VERBS.values(), ids=VERBS)
def test_every_verb_says_where_nobody_measured(arguments: tuple[str, ...]) -> None:
    derived, measured = (dsocr(*arguments, "--gpu", gpu).out for gpu in ("rtx5090", "h200"))
    assert "derived from" in " ".join(derived.split())
    assert "derived from" not in " ".join(measured.split())
    assert "neither bound nor forecast" not in derived + measured
