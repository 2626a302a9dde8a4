"""Where data files are found: by name, by path, in the folders of DSOCR_PATH."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import evaluate_model
from jinja2.exceptions import SecurityError

from dsocr_symbolic import paths
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.library import find_formula, load_library
from dsocr_symbolic.language.lookup import find_definition
from dsocr_symbolic.scenario.hardware import load_gpu, load_gpus
from dsocr_symbolic.writing.templates import template

OWN = paths.PACKAGE.parent
GPU = """
title: Home-made
numbers:
  tensor_bf16_tflops: {value: 100, source: guess}
  cuda_fp32_tflops: {value: 10, source: guess}
  memory_bandwidth_gb_per_s: {value: 1000, source: guess}
"""
LAYER = """
summary: two products, one after the other
why: To be found.
source: this test
symbols: {tokens: [T, tokens], width: [D, width]}
tensors:
  x: {role: input, shape: [tokens, width]}
  y: {role: output, shape: [tokens, width]}
children:
  first: {use: linear_no_bias, reads: x, writes: middle, with: {tokens, in_features: width, out_features: width}}
  second: {use: linear_no_bias, reads: middle, writes: y, with: {tokens, in_features: width, out_features: width}}
example: {with: {tokens: 2, width: 3}, gives: {forward_tensor_core_flops: 72}}
"""
MODEL = """
summary: a network of one layer
constants: {width: {value: 3, letter: D, meaning: width}}
workload: {tokens: {value: 2, letter: T, meaning: tokens}}
children: {only: {use: home_made, with: {tokens, width}}}
"""


def _write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give an empty folder on DSOCR_PATH; forget what was read from it afterwards."""
    monkeypatch.setenv("DSOCR_PATH", str(tmp_path))
    load_library.cache_clear()
    yield tmp_path
    load_library.cache_clear()


def test_gpu_in_a_folder_of_dsocr_path_is_found_by_name(folder: Path) -> None:
    _write(folder, "hardware/homemade.yaml", GPU)
    assert load_gpu("homemade").title == "Home-made"
    assert {"homemade", "rtx5090"} <= {gpu.name for gpu in load_gpus()}
    numbers = evaluate_model("tiny", gpu="homemade").values.numbers
    assert numbers["tensor_core_peak"] == 100e12
    assert numbers["memory_bandwidth"] == 1000e9


def test_layer_in_a_folder_of_dsocr_path_is_found_with_and_without_its_folder(folder: Path) -> None:
    path = _write(folder, "formulas/layers/mine/home_made.yaml", LAYER)
    assert find_formula("home_made").file == str(path)
    assert find_formula("mine/home_made") == find_formula("home_made")
    found = evaluate_model(layer="mine/home_made", settings={"tokens": 2, "width": 3})
    assert found.total["forward_tensor_core_flops"] == 2 * (2 * 2 * 3 * 3)
    assert found.total["parameters"] == 18


def test_model_in_a_folder_of_dsocr_path_is_found_by_name(folder: Path) -> None:
    _write(folder, "formulas/layers/mine/home_made.yaml", LAYER)
    _write(folder, "formulas/models/tiny_network.yaml", MODEL)
    definition = find_definition("tiny_network")
    assert definition.summary == "a network of one layer"
    assert [stage.name for stage in definition.stages] == ["only"]


def test_operator_in_a_folder_of_dsocr_path_joins_the_library(folder: Path) -> None:
    text = (OWN / "formulas/operators/gelu.yaml").read_text(encoding="utf-8")
    _write(folder, "formulas/operators/my_gelu.yaml", text)
    found = evaluate_model(layer="operators/my_gelu", settings={"elements": 6})
    assert found.total["forward_io_bytes"] == 24


def test_several_folders_are_searched_in_order_and_ours_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    _write(first, "hardware/one.yaml", GPU)
    _write(second, "hardware/two.yaml", GPU)
    monkeypatch.setenv("DSOCR_PATH", f"{first}{os.pathsep}{os.pathsep}{second}")
    assert paths.data_folders("hardware") == [first / "hardware", second / "hardware", OWN / "hardware"]
    assert {"one", "two", "h200"} <= set(paths.data_files("hardware"))


def test_folder_without_that_kind_is_skipped(folder: Path) -> None:
    assert paths.data_folders("hardware") == [OWN / "hardware"]
    assert folder.is_dir()


@pytest.mark.parametrize("kind", ["hardware", "formulas/operators", "formulas/layers", "formulas/models", "templates"])
def test_our_own_folder_is_found_without_dsocr_path(kind: str) -> None:
    assert paths.data_folders(kind) == [OWN / kind]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("hardware", "rtx5090.yaml"),
        ("hardware", "sub/h200.yaml"),
        ("formulas/layers", "mine/block.yaml"),
        ("formulas/operators", "linear.yaml"),
        ("formulas/models", "deepseek-ocr.yaml"),
    ],
)
def test_name_that_is_taken_is_an_error_that_names_both_files(folder: Path, kind: str, name: str) -> None:
    path = _write(folder, f"{kind}/{name}", "title: x")
    with pytest.raises(UserError, match="is taken by") as caught:
        paths.data_files(kind)
    message = str(caught.value)
    assert str(path) in message
    assert str(OWN / kind) in message
    assert len(message.splitlines()) == 1


def test_layer_named_like_an_operator_is_an_error(folder: Path) -> None:
    path = _write(folder, "formulas/layers/mine/gelu.yaml", LAYER)
    with pytest.raises(UserError, match="the name 'gelu' is taken by") as caught:
        load_library()
    assert str(caught.value).startswith(f"{path}: ")


def test_operator_named_like_a_family_member_is_an_error(folder: Path) -> None:
    _write(folder, "formulas/operators/sqrt.yaml", (OWN / "formulas/operators/gelu.yaml").read_text(encoding="utf-8"))
    with pytest.raises(UserError, match="the name 'sqrt' is taken by"):
        load_library()


def test_folder_of_dsocr_path_that_does_not_exist_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    absent = tmp_path / "absent"
    monkeypatch.setenv("DSOCR_PATH", f"{tmp_path}{os.pathsep}{absent}")
    with pytest.raises(UserError, match=f"DSOCR_PATH: {absent} is not a folder"):
        paths.data_folders("hardware")


def test_file_on_dsocr_path_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSOCR_PATH", str(_write(tmp_path, "file", "")))
    with pytest.raises(UserError, match="is not a folder"):
        load_gpu("rtx5090")


def test_path_is_taken_as_it_is_and_need_not_be_on_dsocr_path(tmp_path: Path) -> None:
    path = _write(tmp_path, "anywhere/homemade.yaml", GPU)
    assert paths.find_file("hardware", str(path), "GPU") == path
    assert load_gpu(str(path)).name == "homemade"


def test_path_may_repeat_a_known_name(tmp_path: Path) -> None:
    path = _write(tmp_path, "rtx5090.yaml", GPU)
    assert load_gpu(str(path)).title == "Home-made"
    assert load_gpu("rtx5090").title != "Home-made"


def test_relative_path_is_relative_to_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(tmp_path, "homemade.yaml", GPU)
    monkeypatch.chdir(tmp_path)
    assert load_gpu("homemade.yaml").title == "Home-made"
    with pytest.raises(UserError, match="unknown GPU 'homemade'"):
        load_gpu("homemade")


@pytest.mark.parametrize("name", ["nowhere/gpu.yaml", "gpu.yml", "hardware/.yaml"])
def test_path_that_does_not_exist_is_an_error(name: str) -> None:
    with pytest.raises(UserError, match="no such GPU file"):
        load_gpu(name)


@pytest.mark.parametrize(
    ("kind", "name", "noun", "hint"),
    [
        ("hardware", "rtx509", "GPU", "did you mean rtx5090"),
        ("hardware", "zzz", "GPU", "known: a100-40gb"),
        ("hardware", "../hardware/rtx5090", "GPU", ""),
        ("hardware", "", "GPU", ""),
        ("formulas/models", "deepseek-oc", "model", "did you mean deepseek-ocr"),
    ],
)
def test_unknown_name_is_an_error_with_a_hint(kind: str, name: str, noun: str, hint: str) -> None:
    with pytest.raises(UserError, match=f"unknown {noun} ") as caught:
        paths.find_file(kind, name, noun)
    assert hint in str(caught.value)


@pytest.mark.parametrize(
    "name", ["visionn/attention", "on/attention", "decoder/attention", "attentio", "attention/", ""]
)
def test_layer_under_a_wrong_folder_or_name_is_an_error(name: str) -> None:
    with pytest.raises(UserError, match="unknown layer"):
        find_formula(name)


def test_layer_is_found_with_all_its_folders() -> None:
    assert find_formula("formulas/layers/vision/attention").name == "attention"
    assert find_formula("layers/vision/attention") == find_formula("attention")


def test_cache_folder_is_the_one_that_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSOCR_CACHE", str(tmp_path))
    assert paths.cache_folder() == tmp_path
    monkeypatch.delenv("DSOCR_CACHE")
    assert paths.cache_folder().name == "dsocr_symbolic"


def test_a_template_of_the_users_own_runs_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "mine.md.jinja").write_text("{{ word }} {{ ''.__class__.__mro__ }}", encoding="utf-8")
    monkeypatch.setenv("DSOCR_PATH", str(tmp_path))
    with pytest.raises(SecurityError, match="unsafe"):
        template("mine.md.jinja").render(word="open")
