"""One question has one answer, whichever way it is asked: every view of a workload gives the same metrics, or null."""

import csv
import io
import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_cli import dsocr

from dsocr_symbolic import Model, UserError, compare, load_model, sensitivity, solve, sweep
from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.evaluation.answer import answer
from dsocr_symbolic.evaluation.compiled import Compiled
from dsocr_symbolic.language.lookup import find_definition
from dsocr_symbolic.language.registry import Term, load_metrics
from dsocr_symbolic.questions.question import ask
from dsocr_symbolic.reports.spreadsheet.nodes import COLUMN_METRICS, FIRST_METRIC, NODES
from dsocr_symbolic.reports.spreadsheet.workbook import make_workbook
from dsocr_symbolic.scenario.scenario import Scenario, make_scenario
from dsocr_symbolic.writing.amounts import cell, seconds

# Nothing decoded, one step, several requests, no image, and so many requests that float64 holds no count of bytes.
WORKLOADS: Mapping[str, Mapping[str, Any]] = {
    "none decoded": {"new_tokens": 0},
    "one token": {"new_tokens": 1},
    "batch 3": {"batch": 3, "new_tokens": 40},
    "no image": {"image_tokens": 0},
    "batch 1,000,000": {"batch": 10**6},
}
LAYERS = ("decoder/deepseek_v2_mlp", "vision/mlp_block")
METRICS = tuple(name for name, metric in load_metrics().items() if metric.kind != "null")
SHORT = ("tpot_s", "tpot_lower_bound_s", "forward_io_bytes", "forward_arithmetic_intensity", "backward_io_bytes")
EXACT = 2**53
_MARKDOWN = ("forward_tensor_core_flops", "forward_cuda_core_flops", "forward_io_bytes", "forward_arithmetic_intensity")
_MARKDOWN += ("operator_launches", "parameters", "forward_kv_cache_bytes", "roofline_s")


@cache
def model() -> Model:
    return load_model()


def scenario(given: Mapping[str, Any], layer: str | None = None) -> Scenario:
    definition = find_definition("deepseek-ocr")
    workload = None if layer else "base"
    return make_scenario(definition=definition, workload=workload, settings=given, layer=layer)


def words(given: Mapping[str, Any]) -> list[str]:
    return ["--workload", "base", *(word for name, value in given.items() for word in ("--set", f"{name}={value}"))]


def printed(*arguments: str) -> str:
    result = dsocr(*arguments)
    assert result.status == 0, (arguments, result.err)
    return result.out


def read(text: str) -> Any:
    """Read a field: an int where it is one, nothing where it is empty."""
    return None if text == "" else float(text) if set(text) & set(".e") else int(text)


def of_json(given: Mapping[str, Any]) -> Mapping[str, Any]:
    total: Mapping[str, Any] = json.loads(printed("totals", *words(given), "--format", "json"))["total"]
    return {name: total[name] for name in METRICS}


def check_csv(given: Mapping[str, Any], stages: Mapping[str, Mapping[str, Any]]) -> None:
    text = printed("totals", *words(given), "--format", "csv")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    by_stage = {row["stage"]: row for row in rows}
    for stage, metrics in stages.items():
        for name in METRICS:
            if name in by_stage[stage]:
                same(f"csv, {stage}", name, read(by_stage[stage][name]), metrics[name])


USUAL = {"batch": 1, "new_tokens": 512, "image_tokens": 273}


@cache
def compiled() -> Compiled:
    return model().compile(METRICS, over=tuple(USUAL), by="total", workload="base")


def of_compiled(given: Mapping[str, Any]) -> Mapping[str, Any]:
    values = {**USUAL, **given}
    result = {name: parts["total"] for name, parts in compiled()(**values).items()}
    on_arrays = compiled()(**{name: np.array([value]) for name, value in values.items()})
    for name, value in result.items():
        (along,) = on_arrays[name]["total"].tolist()
        assert np.isnan(along) if value is None else along == pytest.approx(value, rel=1e-12), name
    return result


def of_expressions(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """What solve, sensitivity and bounds evaluate."""
    question = ask(model(), workload="base", settings=given)
    result = {}
    for name in METRICS:
        try:
            result[name] = arithmetic.whole(question.metrics((Term(paths=("",), metric=name),))[0])
        except UserError as error:
            assert "has no value at this workload" in str(error)  # noqa: PT017
            result[name] = None
    return result


def of_sensitivity(given: Mapping[str, Any]) -> Mapping[str, Any]:
    result = {}
    for name in SHORT:
        try:
            result[name] = sensitivity(
                name, model=model(), workload="base", settings=given, symbols=["memory_bandwidth"]
            ).value
        except UserError as error:
            assert "has no value at this workload" in str(error)  # noqa: PT017
            result[name] = None
    return result


def of_solve(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """What stands left where a rate is asked that meets any limit at all."""
    result: dict[str, Any] = {}
    for name in ("tpot_s", "forward_io_bytes"):
        text = f"memory_utilisation + 0*{name} <= 0.5"
        try:
            found = solve("memory_utilisation", text, model=model(), workload="base", settings=given)
        except UserError as error:
            assert "has no value there" in str(error)  # noqa: PT017
            result[name] = None
            continue
        assert found.value == 0.5
        point = solve("batch", f"{name} >= 0", model=model(), workload="base", settings=_without(given, "batch"))
        assert point.sense == "every"
    return result


@cache
def swept() -> Any:
    known = {name: {value, *(given.get(name, value) for given in WORKLOADS.values())} for name, value in USUAL.items()}
    axes = {name: sorted(values) for name, values in known.items()}
    return sweep(model(), metrics=METRICS, workload="base", **axes)


def of_sweep(given: Mapping[str, Any]) -> Mapping[str, Any]:
    values = {name: column.item() for name, column in swept().sel({**USUAL, **given}).items()}
    return {name: None if np.isnan(value) else value for name, value in values.items()}


def of_compare(given: Mapping[str, Any]) -> Mapping[str, Any]:
    asked = {"workload": "base", **given}
    found = compare(asked, {**asked, "text_tokens": 11}, metrics=METRICS)
    for name, value, (difference,) in zip(found.metrics, found.baseline, found.differences, strict=True):
        assert (difference.ratio is None) == (not value or difference.value is None), name
    return dict(zip(found.metrics, found.baseline, strict=True))


def of_formula(given: Mapping[str, Any]) -> Mapping[str, Any]:
    result = {}
    for name in ("tpot_s",):
        lines = [line.strip() for line in printed("formula", "total", "--metric", name, *words(given)).splitlines()]
        (said,) = (line for line in lines if line.startswith(("= ", "null: ")))
        result[name] = None if said.startswith("null: ") else read(said.removeprefix("= ").split()[0])
    return result


def of_markdown(given: Mapping[str, Any]) -> Mapping[str, Any]:
    text = printed("totals", *words(given), "--format", "markdown")
    (row,) = (line for line in text.splitlines() if line.startswith("| total |"))
    fields = [field.strip() for field in row.strip("|").split("|")][2:]
    numbers = dict(zip(_MARKDOWN, map(read, fields), strict=False))
    # Of what is no count there are six digits.
    expected = answer(scenario(given)).total
    return {name: value for name, value in numbers.items() if isinstance(expected[name], int)}


def of_spreadsheet(given: Mapping[str, Any]) -> Mapping[str, Any]:
    (nodes,) = (sheet for sheet in make_workbook(scenario(given)).sheets if sheet.name == NODES)
    cells = nodes.lines[0].cells[FIRST_METRIC : FIRST_METRIC + len(COLUMN_METRICS)]
    return {name: cell.content for name, cell in zip(COLUMN_METRICS, cells, strict=True)}


def _without(given: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in given.items() if key != name}


VIEWS: tuple[Callable[[Mapping[str, Any]], Mapping[str, Any]], ...] = (
    *(of_json, of_markdown, of_compiled, of_expressions, of_sensitivity, of_solve, of_sweep, of_compare),
    *(of_formula, of_spreadsheet),
)


def same(view: str, name: str, value: Any, expected: Any) -> None:
    """Ints are ints and equal; what float64 has rounded on the way is as near as it may be."""
    where = f"{view}, {name}: {value!r} is not {expected!r}"
    if expected is None or value is None:
        assert value is expected, where
    elif isinstance(expected, int) and (isinstance(value, int) or abs(expected) < EXACT):
        assert value == expected, where
    else:
        assert value == pytest.approx(expected, rel=1e-12), where


@pytest.mark.parametrize("about", WORKLOADS)
def test_every_view_gives_the_same_numbers(about: str) -> None:
    given = WORKLOADS[about]
    expected = answer(scenario(given)).total
    for view in VIEWS:
        found = view(given)
        for name, value in found.items():
            same(view.__name__, name, value, expected[name])
    check_csv(given, answer(scenario(given)).stages)
    compiled = of_compiled(given)
    assert [name for name in METRICS if isinstance(expected[name], int) and not isinstance(compiled[name], int)] == []
    step = expected["tpot_s"]
    assert (step is None) == (given.get("new_tokens") == 0)
    for text in (printed("totals", *words(given)), printed("totals", *words(given), "--format", "markdown")):
        said = [line for line in text.splitlines() if "(tpot)" in line]
        assert len(said) == (step is not None)
        assert step is None or f"(tpot): {seconds(step)} by roofline" in said[0]
    tree = printed("tree", *words(given))
    running = {stage: metrics for stage, metrics in answer(scenario(given)).stages.items() if metrics["roofline_s"]}
    for stage, metrics in running.items():
        (row,) = (line for line in tree.splitlines() if line.split()[:1] == [stage])
        assert cell("forward_io_bytes", metrics["forward_io_bytes"], 3) in row, stage
        assert cell("roofline_s", metrics["roofline_s"], 3) in row, stage


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_alone_has_the_same_numbers_in_every_view(layer: str) -> None:
    expected = answer(scenario({}, layer)).total
    total = json.loads(printed("totals", "--layer", layer, "--format", "json"))["total"]
    table = printed("totals", "--layer", layer, "--format", "csv")
    rows = csv.DictReader(io.StringIO("\n".join(line for line in table.splitlines() if not line.startswith("#"))))
    (row,) = (row for row in rows if row["stage"] in ("total", layer.rpartition("/")[2]))
    for name in METRICS:
        same("json", name, total[name], expected[name])
        if name in row:
            same("csv", name, read(row[name]), expected[name])
    for name in ("tpot_s", "forward_io_bytes"):
        line = printed("formula", layer, "--metric", name).splitlines()
        result = [text for text in line if text.startswith("= ")]
        if expected[name] is None:
            assert any(text.startswith("  null: ") for text in line), name
        else:
            same("formula", name, read(result[-1].removeprefix("= ").split()[0]), expected[name])
    assert "(tpot)" not in printed("totals", "--layer", layer)


_MLP = "use: deepseek_v2_mlp, with: {tokens: TOKENS, hidden_size: width, intermediate_size: width}"
_STEPS = "repeat: {over: step, last: new_tokens}"
NETWORK = f"""
summary: a network that decodes where there is a picture
source: made up
default_workload: usual
default_gpu: rtx5090
constants:
  width: {{value: 8, letter: D, meaning: width}}
workload:
  batch: {{value: 2, letter: B, meaning: requests, least: 1}}
  prompt_tokens: {{value: 6, letter: S, meaning: tokens, least: 1}}
  new_tokens: {{value: 3, letter: N, meaning: steps, least: 0}}
  pictures: {{value: 1, letter: I, meaning: pictures, least: 0}}
workloads:
  usual: {{summary: as it is}}
phases: [prefill, decode]
latencies: {{ttft: prefill, tpot: decode/new_tokens}}
children:
  prefill: {{reads: x, writes: y, {_MLP.replace("TOKENS", "batch*prompt_tokens")}}}
  decode: {{reads: x, writes: z, when: pictures > 0, {_STEPS}, {_MLP.replace("TOKENS", "batch")}}}
"""


@pytest.mark.parametrize(("pictures", "steps"), [(1, 3), (0, 3), (1, 0)])
def test_a_decode_that_never_runs_takes_no_time_per_token(tmp_path: Path, pictures: int, steps: int) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(NETWORK, encoding="utf-8")
    network = load_model(str(path))
    given = {"pictures": pictures, "new_tokens": steps}
    definition = network.definition
    expected = answer(make_scenario(definition=definition, settings=given)).total["tpot_s"]
    assert (expected is None) == (pictures == 0 or steps == 0)
    function = network.compile("tpot_s", over=("new_tokens", "pictures"), by="total")
    assert function(**given)["tpot_s"]["total"] == (expected and pytest.approx(expected, rel=1e-12))
    along = function(new_tokens=np.array([steps, 3]), pictures=np.array([pictures, 1]))["tpot_s"]["total"].tolist()
    assert np.isnan(along[0]) == (expected is None)
    assert not np.isnan(along[1])
    if expected is None:
        with pytest.raises(UserError, match="at least one decode step"):
            sensitivity("tpot_s", model=network, settings=given)
        with pytest.raises(UserError, match="it divides by 0"):
            solve("batch", "tpot_s <= 1", model=network, settings=given)
    else:
        assert sensitivity("tpot_s", model=network, settings=given).value == pytest.approx(expected, rel=1e-12)
