"""What varies: words of the command line and Python values, and one line for every mistake."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.definition import Definition, load_definition
from dsocr_symbolic.language.lookup import default_definition
from dsocr_symbolic.language.roles import Crops
from dsocr_symbolic.python_api import load_model
from dsocr_symbolic.questions.options import question_options
from dsocr_symbolic.questions.sweep.axes import at, make_axis, read_vary
from dsocr_symbolic.questions.sweep.dataset import sweep
from dsocr_symbolic.questions.sweep.plan import plan_sweep
from dsocr_symbolic.scenario.crop_grids import all_grids

DEFINITION = default_definition(None)


def labels(name: str, values: Any) -> list[Any]:
    axis = make_axis(DEFINITION, name, values)
    found: list[Any] = at(axis.labels, np.arange(len(axis))).tolist()
    return found


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("batch", "1:4", [1, 2, 3, 4]),
        ("batch", "1:128:50", [1, 51, 101]),
        ("batch", "7:7", [7]),
        ("batch", "1,2,4", [1, 2, 4]),
        ("base_size", "512, 640", [512, 640]),
        ("memory_bandwidth", "1e12:1.2e12:1e11", [1e12, 1.1e12, 1.2e12]),
        ("compute_efficiency", "0.1:0.3:0.1", [0.1, 0.2, 0.3]),
        ("compute_efficiency", "1/4:1:1/4", [0.25, 0.5, 0.75, 1.0]),
        ("compute_efficiency", "1/4,0.5", [0.25, 0.5]),
        ("crop_grid", "2x1,3x2", ["2x1", "3x2"]),
    ],
)
def test_words(name: str, text: str, expected: list[Any]) -> None:
    assert labels(name, text) == expected
    assert make_axis(DEFINITION, name, text).meaning


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("batch", range(1, 10, 4), [1, 5, 9]),
        ("batch", np.array([3, 1], dtype=np.int8), [3, 1]),
        ("batch", np.linspace(1, 3, 3), [1, 2, 3]),
        ("compute_efficiency", [Fraction(1, 2), 1], [0.5, 1.0]),
        ("crop_grid", [(0, 0), (3, 2)], ["0x0", "3x2"]),
        ("crop_grid", np.array([[2, 1]]), ["2x1"]),
        ("gpu", ("h200", "l4"), ["h200", "l4"]),
        ("weight_dtype", ["fp8", "bf16"], ["fp8", "bf16"]),
    ],
)
def test_python_values(name: str, values: Any, expected: list[Any]) -> None:
    assert labels(name, values) == expected


@given(st.integers(1, 10**6), st.integers(0, 200), st.integers(1, 50))
def test_a_range_holds_its_ends(first: int, steps: int, step: int) -> None:
    last = first + steps * step
    assert labels("batch", f"{first}:{last}:{step}") == list(range(first, last + 1, step))


def test_all_grids_are_those_of_the_network_and_none() -> None:
    axis = make_axis(DEFINITION, "crop_grid", "all")
    columns, rows = (numbers.tolist() for numbers in axis.numbers.values())
    assert list(zip(columns, rows, strict=True)) == [(0, 0), *all_grids()]
    assert len(axis) == 23
    assert axis.labels.tolist()[:3] == ["0x0", "1x2", "2x1"]


@pytest.mark.parametrize(
    ("model", "given", "most"),
    [
        ({}, {}, 9),
        ({}, {"settings": {"max_crops": 3}}, 3),
        ({}, {"max_crops": 12}, 12),
        ({}, {"workload": "gundam-served"}, 6),
        ({}, {"workload": "gundam-served", "settings": {"max_crops": 4}}, 4),
        ({}, {"workload": ["base", "gundam"]}, 9),
        ({"max_crops": 5}, {}, 5),
    ],
)
def test_all_grids_go_up_to_the_limit_that_holds(model: dict[str, Any], given: dict[str, Any], most: int) -> None:
    network = load_model("deepseek-ocr").what_if(**model)
    (grids,) = (
        axis
        for axis in plan_sweep(network, metrics="operator_launches", crop_grid="all", **given).axes
        if axis.name == "crop_grid"
    )
    assert grids.labels.tolist() == ["0x0", *(f"{columns}x{rows}" for columns, rows in all_grids(2, most))]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"max_crops": [6, 9]}, ["crop_grid=all", "max_crops varies", "crop_grid=2x1"]),
        ({"workload": ["gundam", "gundam-served"]}, ["crop_grid=all", "max_crops is 6 or 9", "crop_grid=2x1"]),
        ({"max_crops": 1}, ["max_crops: 1 is less than 2"]),
        ({"settings": {"max_crops": 2.5}}, ["max_crops: 2.5 is not a whole number"]),
    ],
)
def test_all_grids_of_several_limits_are_refused(given: dict[str, Any], words: list[str]) -> None:
    model = load_model("deepseek-ocr")
    refused(words, lambda: plan_sweep(model, metrics="operator_launches", crop_grid="all", **given))


def test_grids_that_are_named_may_have_several_limits() -> None:
    plan = plan_sweep(
        load_model("deepseek-ocr"),
        metrics="operator_launches",
        crop_grid="2x1,3x2",
        workload=["gundam", "gundam-served"],
    )
    assert plan.count == 4


def test_words_are_read_in_order() -> None:
    found = read_vary(DEFINITION, ["gpu=h200, l4", "batch=1:8", "weight-dtype=fp8"])
    assert found == {"gpu": ["h200", "l4"], "batch": "1:8", "weight_dtype": ["fp8"]}
    assert list(found) == ["gpu", "batch", "weight_dtype"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["batch"], ["--vary batch", "NAME=VALUES"]),
        (["=3"], ["--vary =3"]),
        (["batch=1", "batch=2"], ["batch", "given twice"]),
        (["weight-dtype=fp8", "weight_dtype=int8"], ["weight_dtype", "given twice"]),
    ],
)
def test_words_that_cannot_be_read(given: list[str], words: list[str]) -> None:
    refused(words, lambda: read_vary(DEFINITION, given))


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("batch", "8:1", ["batch=8:1", "empty"]),
        ("batch", "1:8:0", ["batch=1:8:0", "step 0"]),
        ("batch", "8:1:-1", ["step -1"]),
        ("batch", range(8, 1, -1), ["step -1"]),
        ("batch", range(0), ["no value"]),
        ("batch", [], ["no value"]),
        ("batch", "", ["''", "not a number"]),
        ("batch", "1:", ["''", "not a number"]),
        ("batch", "1:2:3:4", ["FIRST:LAST:STEP"]),
        ("batch", "1:1e13", ["1e+13 points", "at most 1e+12"]),
        ("batch", "one", ["'one'", "not a number"]),
        ("batch", "1:two", ["'two'", "not a number"]),
        ("batch", "0:4", ["batch", "less than 1"]),
        ("batch", "1:2:1/2", ["1.5", "whole number"]),
        ("batch", [1, 2.5], ["2.5", "whole number"]),
        ("batch", [1, True], ["True"]),
        ("batch", [1, None], ["None"]),
        ("batch", [float("nan")], ["nan", "not a number"]),
        ("batch", [2, 1, 2], ["2 stands twice"]),
        ("batch", [10**19], ["larger than"]),
        ("batch", object(), ["not a list"]),
        ("memory_bandwidth", "1e12:2e12", ["step", "memory_bandwidth=1e12:2e12:STEP"]),
        ("memory_bandwidth", "0,1e12", ["memory_bandwidth", "greater than 0"]),
        ("crop_grid", "2x", ["'2x'", "3x2"]),
        ("crop_grid", "every", ["'every'", "all"]),
        ("crop_grid", "2x1,2x1", ["2x1 stands twice"]),
        ("crop_grid", [(1, 2, 3)], ["not a pair"]),
        ("crop_grid", [(2, 1.5)], ["crop_rows", "whole number"]),
        ("crop_grid", [(-1, 2)], ["crop_columns", "-1"]),
        ("gpu", ["rtx509"], ["unknown GPU 'rtx509'", "rtx5090"]),
        ("gpu", [5090], ["not a name"]),
        ("workload", ["gundum"], ["unknown workload 'gundum'", "gundam"]),
        ("attention", ["flash", "eagre"], ["attention", "'eagre'", "eager"]),
        ("btach", [1], ["cannot vary 'btach'", "batch"]),
        ("crop_gird", "all", ["cannot vary 'crop_gird'", "crop_grid"]),
        ("fp32", [4], ["fp32", "definition"]),
        ("view_tokens", [2], ["view_tokens", "definition"]),
        ("prompt_tokens", [-1], ["prompt_tokens", "less than 0"]),
    ],
)
def test_values_that_are_refused(name: str, values: Any, words: list[str]) -> None:
    refused(words, lambda: make_axis(DEFINITION, name, values))


@pytest.mark.parametrize(
    ("name", "values"),
    [("prompt_tokens", [893, 1200]), ("image_tokens", [0, 893]), ("decode_experts_hit", [6, 6.0005])],
)
def test_what_follows_from_others_varies_by_itself(name: str, values: Any) -> None:
    """As where it is set, and as solve moves it."""
    asked: dict[str, Any] = {"metrics": "forward_io_bytes", "workload": "gundam"}
    along = sweep(load_model(), **asked, **{name: values}).forward_io_bytes
    for value in values:
        held = sweep(load_model(), **asked, batch=[1], settings={name: value}).forward_io_bytes
        assert along.sel({name: value}).item() == pytest.approx(held.item(), rel=1e-12)


def test_no_crops_have_a_name() -> None:
    axis = make_axis(DEFINITION, "crop_grid", "none,3x2")
    assert axis.labels.tolist() == ["0x0", "3x2"]  # type: ignore[union-attr]
    assert [axis.numbers[symbol].tolist() for symbol in axis.numbers] == [[0, 3], [0, 2]]  # type: ignore[union-attr]


def refused(words: list[str], action: Any) -> None:
    with pytest.raises(UserError) as error:
        action()
    assert "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value)


def test_a_network_that_cuts_no_pages_offers_no_grids() -> None:
    uncut = evolve(DEFINITION, roles=evolve(DEFINITION.roles, crops=None))
    with pytest.raises(UserError, match="cannot vary 'crop_grid': did you mean crop_rows") as error:
        make_axis(uncut, "crop_grid", "all")
    assert str(error.value).count("crop_grid") == 1


def options(definition: Definition) -> set[str]:
    return {name for option in question_options(definition) for name in option.opts}


def test_only_a_limit_that_is_a_symbol_is_an_option() -> None:
    roles = DEFINITION.roles
    assert roles.crops is not None
    uncut = evolve(DEFINITION, roles=evolve(roles, crops=None))
    fixed = evolve(DEFINITION, roles=evolve(roles, crops=evolve(roles.crops, most=4)))
    assert options(DEFINITION) - options(uncut) == options(DEFINITION) - options(fixed) == {"--max-crops"}
    assert len(make_axis(fixed, "crop_grid", "all")) == 1 + len(all_grids(2, 4))


@pytest.mark.parametrize(
    ("most", "words"),
    [("2.5", ["crops: most: expected a whole number or a symbol"]), ("most_crops", ["roles", "most_crops"])],
)
def test_a_limit_is_a_number_or_a_known_symbol(tmp_path: Path, most: str, words: list[str]) -> None:
    text = Path(DEFINITION.file).read_text(encoding="utf-8")
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace("    most: max_crops\n", f"    most: {most}\n"), encoding="utf-8")
    refused(words, lambda: load_definition(path))


def test_without_a_number_of_its_own_the_side_of_a_piece_is_what_is_not_cut() -> None:
    assert DEFINITION.roles.crops is not None
    assert DEFINITION.roles.crops.uncut == 640
    crops = Crops(columns="x", rows="y", number="n", side="s")
    assert crops.cutting({"s": 512}) == {"side": 512, "uncut": 512, "least": 2, "most": 9}


def test_a_gpu_and_a_workload_of_ones_own(tmp_path: Path) -> None:
    gpu, workload = tmp_path / "mine.yaml", tmp_path / "page.yaml"
    source = Path(__file__).parent.parent / "hardware" / "l4.yaml"
    gpu.write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    workload.write_text("summary: mine\ndocument: native\nset: {base_size: 640}\n", encoding="utf-8")
    assert labels("gpu", ["h200", str(gpu)]) == ["h200", str(gpu)]
    assert labels("workload", [str(workload)]) == [str(workload)]
