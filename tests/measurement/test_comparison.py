"""Predicted seconds against measured ones: the numbers, the page, and one line for every file that is no such file."""

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from test_cli import Answer, assert_refused, dsocr

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.measurement.comparison import prediction as prediction_module
from dsocr_symbolic.measurement.comparison.files import PredictedFile, read_measured, read_predicted
from dsocr_symbolic.measurement.comparison.operators import together
from dsocr_symbolic.measurement.comparison.pairs import SecondsComparison, compare, violations
from dsocr_symbolic.measurement.comparison.prediction import predict_now
from dsocr_symbolic.measurement.prediction import predict
from dsocr_symbolic.paths import data_files

H200 = Path(__file__).resolve().parents[2] / "reports" / "measured" / "h200"
MEASURED, PREDICTED = H200 / "measured-1.json", H200 / "predicted-1.json"


def operator(name: str, seconds: float, module: str = "Block", **more: Any) -> dict[str, Any]:
    return {"module": module, "operator": name, "seconds": seconds, **more}


def case(component: str = "head", mode: str = "eager", **more: Any) -> dict[str, Any]:
    return {"component": component, "mode": mode, "settings": {"tokens": 1}, "choices": {}, **more}


def measured_case(**more: Any) -> dict[str, Any]:
    operators = [operator("aten::linear", 6e-4), operator("aten::to", 2e-4), operator("aten::gelu", 2e-4)]
    given = {"device_s": 1e-3, "device_least_s": 9e-4, "kernels": 3, "wall_s": [4e-3, 2e-3], "operators": operators}
    return case(**{**given, **more})


def predicted_case(**more: Any) -> dict[str, Any]:
    operators = [
        operator("mm", 4e-4, limit="memory"),
        operator("addmm", 3e-4, limit="latency"),
        operator("_to_copy", 2e-4, limit="access"),
        operator("pow", 3e-4, "Norm", limit="compute"),
        operator("vision/block", 1e-19, limit="compute"),
    ]
    given = {"device_s": 1.2e-3, "wall_s": 3e-3, "lower_bound_s": 5e-4, "kernels": 2.5, "operators": operators}
    return case(**{**given, **more})


def measured_file(*cases: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    machine = {"gpu": "NVIDIA H200", "torch": "2.11", "multiprocessors": 132}
    return {"schema": "dsocr measured 1", "machine": machine, "rounds": 2, "cases": list(cases), **more}


def predicted_file(*cases: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"schema": "dsocr predicted 1", "machine": "h200", "cases": list(cases), **more}


Write = Callable[[Any, Any], tuple[Path, Path]]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(measured: Any, predicted: Any) -> tuple[Path, Path]:
        paths = tmp_path / "measured.json", tmp_path / "predicted.json"
        for path, content in zip(paths, (measured, predicted), strict=True):
            path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return paths

    return written


def found(paths: tuple[Path, Path]) -> SecondsComparison:
    return compare(read_measured(paths[0]), read_predicted(paths[1]))


def asked(paths: tuple[Path, Path], *more: str | Path) -> Answer:
    return dsocr("compare-measured", paths[0], "--predicted", paths[1], *more)


@pytest.fixture(scope="module")
def recorded() -> SecondsComparison:
    return found((MEASURED, PREDICTED))


def test_recorded_means(recorded: SecondsComparison) -> None:
    means = {each.component: round(each.forward.mean, 3) for each in recorded.components if each.forward}
    assert means == {"sam": 0.022, "clip": 0.034, "projector": 0.035, "prefill": 0.014, "decode": 0.058, "head": 0.056}
    assert round(recorded.means["forward"] or 0, 3) == 0.037
    backward = {each.component: round(each.backward.mean, 3) for each in recorded.components if each.backward}
    assert backward == {"sam": 0.477, "clip": 0.129, "prefill": 0.643}
    assert len(recorded.cases) == 70
    assert sum(each.inside is True for each in recorded.cases) == 3
    assert recorded.unpaired == ()
    assert violations(recorded) == []


def test_recorded_operators_have_all_the_time(recorded: SecondsComparison) -> None:
    for each in recorded.cases:
        if each.mode == "eager":
            assert math.isclose(sum(part.predicted_s for part in each.operators), each.predicted_s, rel_tol=1e-6)
            assert math.isclose(sum(part.measured_s for part in each.operators), each.measured_s, rel_tol=0.1)
        else:
            assert (each.operators, each.cause) == ((), None)
    named = {each.operator: each for each in recorded.operators}
    assert not [name for name in named if "/" in name or "aten" in name]
    assert all(each.measured_s and each.predicted_s for each in named.values())
    assert (named["attention"].limit, round(named["attention"].error or 0, 2)) == ("compute", 0.06)
    assert [(each.module, each.operator) for each in recorded.longest[:2]] == [
        ("Attention", "add"),
        ("Attention", "attention"),
    ]
    assert len(recorded.longest) == 15


def test_names_of_any_file_go_together() -> None:
    for path in sorted(H200.glob("measured-*.json")):
        assert {together(each.operator) for one in read_measured(path).cases for each in one.operators} & {
            "attention",
            "clone",
            "addmm, mm",
        }
    assert [together(name) for name in ("aten::linear", "mm", "reshape", "quick_gelu", "llama/llama_attention")] == [
        *("addmm, mm", "addmm, mm", "clone", "mul"),
        "llama/llama_attention",
    ]


def test_small_numbers(write: Write) -> None:
    (one,) = found(write(measured_file(measured_case()), predicted_file(predicted_case()))).cases
    assert math.isclose(one.error, 0.2)
    assert (one.quietest_s, one.slowest_s, one.inside) == (2e-3, 4e-3, True)
    assert math.isclose(one.wall_error or 0, 0.5)
    assert math.isclose(one.slowest_error or 0, -0.25)
    assert (one.least_s, one.bound_holds) == (9e-4, True)
    by_name = {each.operator: each for each in one.operators}
    assert set(by_name) == {"addmm, mm", "_to_copy", "gelu", "pow"}
    assert (by_name["addmm, mm"].limit, by_name["gelu"].limit) == ("memory", "")
    assert math.isclose(by_name["addmm, mm"].error or 0, 1 / 6)
    assert math.isclose(by_name["addmm, mm"].share, 0.6)
    assert (by_name["gelu"].error, by_name["pow"].error) == (-1.0, None)
    assert one.cause is by_name["pow"]


def test_cause_has_the_direction_of_the_error(write: Write) -> None:
    predicted = predicted_case(device_s=8e-4, operators=[operator("mm", 5e-4), operator("pow", 3e-4)])
    (one,) = found(write(measured_file(measured_case()), predicted_file(predicted))).cases
    assert one.cause is not None
    assert one.cause.operator in {"_to_copy", "gelu"}


def test_cases_of_one_file_are_said_and_not_fatal(write: Write) -> None:
    missing = measured_case(settings={"tokens": 2})
    failed = measured_case(settings={"tokens": 3}, device_s=None, error="OutOfMemoryError: too large")
    measured = measured_file(measured_case(), missing, failed, left_out=["round 7: no time left"])
    answer = asked(write(measured, predicted_file(predicted_case(), predicted_case(settings={"tokens": 9}))))
    assert answer.status == 0
    said = " ".join(answer.out.split())
    for line in (
        "head tokens 2: measured, not predicted",
        "head tokens 3: OutOfMemoryError: too large",
        "head tokens 9: predicted, not measured",
        "left out of the measurement: round 7: no time left",
    ):
        assert f"warning: {line}" in said


def test_backward_has_totals_alone(write: Write) -> None:
    measured = measured_case(mode="backward", wall_s=[], operators=[operator("MmBackward0", 1e-3)])
    predicted = predicted_case(mode="backward", wall_s=None, lower_bound_s=None, kernels=None)
    result = found(write(measured_file(measured), predicted_file(predicted)))
    (one,) = result.cases
    assert (one.operators, one.wall_error, one.bound_holds, one.inside) == ((), None, None, None)
    assert result.means["forward"] is None
    assert result.components[0].backward is not None


def test_text_and_json_of_recorded_files() -> None:
    answer = asked((MEASURED, PREDICTED))
    assert (answer.status, answer.err) == (0, "")
    assert max(map(len, answer.out.splitlines())) <= 100
    assert "overall      3.7 %" in answer.out
    assert "64 of 64 lower bounds" in answer.out
    data = asked((MEASURED, PREDICTED), "--format", "json")

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    document = json.loads(data.out, parse_constant=refuse)
    assert document["schema"] == "dsocr compared 1"
    assert round(document["comparison"]["means"]["forward"], 3) == 0.037


def test_bound_above_a_measured_time(write: Write) -> None:
    paths = write(measured_file(measured_case()), predicted_file(predicted_case(lower_bound_s=9.5e-4)))
    for extra in ((), ("--format", "json")):
        answer = asked(paths, *extra)
        assert answer.status == 3
        assert answer.err.count("\n") == 1
        assert "head tokens 1: the lower bound, 950 µs, is above the measured 900 µs" in answer.err
        assert answer.out


def test_page_and_figure(tmp_path: Path, recorded: SecondsComparison) -> None:
    pytest.importorskip("matplotlib")
    from dsocr_symbolic.measurement.comparison.page import comparison_files as files

    answer = asked((MEASURED, PREDICTED), "--out", tmp_path / "new", "--format", "json")
    assert answer.status == 0
    assert json.loads(answer.out)
    written = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "new").iterdir()}
    assert written == files(recorded, "measured-1.json")
    page, figure = written["comparison.md"], written["comparison.svg"]
    assert "| **mean over components** | **3.7 %** |" in page
    section = page.partition("## Where the milliseconds go")[2].partition("## By case")[0]
    assert section.count("\n| ") == 1 + 15
    assert not [line for line in page.splitlines() if line.endswith(" ")]
    assert figure.count("<path") > 70
    assert "GPU busy, backward" in figure
    assert "<dc:date>" not in figure


def test_page_without_what_is_not_there(tmp_path: Path, write: Write) -> None:
    pytest.importorskip("matplotlib")
    for mode in ("eager", "backward"):
        paths = write(measured_file(measured_case(mode=mode)), predicted_file(predicted_case(mode=mode)))
        assert asked(paths, "--out", tmp_path / mode).status == 0
        assert "Where the milliseconds go" not in (tmp_path / mode / "comparison.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Write a machine file that has the constants of today."""
    path = tmp_path_factory.mktemp("machine") / "machine.yaml"
    content = yaml.safe_load(data_files("hardware")["h200"].read_text(encoding="utf-8"))["measured"]
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return str(path)


def few(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let predictions tell for which machine they are made."""
    machines: list[str] = []

    def spied(part: Any, machine: str) -> dict[str, Any]:
        machines.append(machine)
        return predict(part, machine)

    monkeypatch.setattr(prediction_module, "predict", spied)
    return machines


def test_predictions_are_made_where_none_are_given(write: Write, machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    machines = few(monkeypatch)
    other = measured_case(component="own_network")
    path, _ = write(measured_file(measured_case(), measured_case(mode="graph"), other), {})
    for options in ((), ("--machine", machine), ("--gpu", "h200"), ("--machine", machine, "--gpu", "h200")):
        answer = dsocr("compare-measured", path, *options)
        assert answer.status in {0, 3}
        assert "warning: head tokens 1: measured" not in answer.out
        assert "own_network tokens 1: measured, not predicted" in answer.out
    assert machines == [*["h200"] * 2, *[machine] * 2, *["h200"] * 2, *[machine] * 2]


def test_predictions_made_now_are_those_of_the_formulas(write: Write) -> None:
    path, _ = write(measured_file(measured_case()), {})
    file: PredictedFile = predict_now(read_measured(path), path, gpu="h200", machine=None)
    assert file.machine == "h200"
    (one,) = file.cases
    assert sum(each.seconds for each in one.operators) == pytest.approx(one.device_s)


NAN = json.dumps(measured_file(measured_case())).replace("0.001", "NaN", 1)
BAD_MEASURED = {
    "no text": "\x00",
    "cut off": "{",
    "deep": "[" * 100_000,
    "a list": "[]",
    "another schema": {"schema": "dsocr machine 1"},
    "a later schema": measured_file() | {"schema": "dsocr measured 2"},
    "no cases": {"schema": "dsocr measured 1", "machine": {"gpu": "x"}},
    "no machine": {"schema": "dsocr measured 1", "cases": []},
    "empty": measured_file(),
    "dry": measured_file(measured_case(), dry=True),
    "NaN": NAN,
    "huge": NAN.replace("NaN", "1e999"),
    "digits": NAN.replace("NaN", "1" + "0" * 400),
    "negative": measured_file(measured_case(device_s=-1.0)),
    "zero": measured_file(measured_case(device_s=0)),
    "true": measured_file(measured_case(device_s=True)),
    "word": measured_file(measured_case(wall_s=["soon"])),
    "mode": measured_file(measured_case(mode=["eager"])),
    "no component": measured_file({"mode": "eager"}),
    "case": measured_file("head"),  # type: ignore[arg-type]
    "settings": measured_file(measured_case(settings=[1])),
    "operators": measured_file(measured_case(operators=[{"module": "Block"}])),
    "twice": measured_file(measured_case(), measured_case()),
}


@pytest.mark.parametrize("content", BAD_MEASURED.values(), ids=list(BAD_MEASURED))
def test_bad_measured_files_give_one_line(write: Write, content: Any) -> None:
    paths = write(content, predicted_file(predicted_case()))
    answer = asked(paths)
    assert_refused(answer)
    assert str(paths[0]) in answer.err or "no case is both" in answer.err


@pytest.mark.parametrize("content", [BAD_MEASURED["cut off"], measured_file(measured_case()), predicted_file("x")])  # type: ignore[arg-type]
def test_bad_predicted_files_give_one_line(write: Write, content: Any) -> None:
    paths = write(measured_file(measured_case()), content)
    assert_refused(asked(paths), paths[1])


def test_options_that_do_not_go_together_give_one_line(write: Write, machine: str, tmp_path: Path) -> None:
    paths = write(measured_file(measured_case()), predicted_file(predicted_case()))
    assert_refused(dsocr("compare-measured", tmp_path / "absent.json"), "absent.json", "No such file")
    assert_refused(dsocr("compare-measured", tmp_path), "cannot be read")
    assert_refused(dsocr("compare-measured"), "MEASURED")
    assert_refused(asked((paths[0], tmp_path / "absent.json")), "absent.json")
    assert_refused(asked(paths, "--gpu", "h200"), "--predicted")
    assert_refused(dsocr("compare-measured", paths[0], "--gpu", "h2000"), "h2000", "did you mean")
    assert_refused(dsocr("compare-measured", paths[0], "--machine", "rtx5090"), "not a machine file")
    assert_refused(dsocr("compare-measured", paths[0], "--machine", machine, "--gpu", "rtx5090"), "drop one of them")
    assert_refused(asked(paths, "--out", paths[0]), "Not a directory".lower())


def test_sizes_and_gpus_that_no_formula_knows_give_one_line(write: Write) -> None:
    for wrong in (measured_case(settings={"tokens": -1}), measured_case(choices={"attention": "quick"})):
        path, _ = write(measured_file(wrong), {})
        assert_refused(dsocr("compare-measured", path), f"{path}: head tokens")
    path, _ = write(measured_file(measured_case(), machine={"gpu": "NVIDIA Z1"}), {})
    assert_refused(dsocr("compare-measured", path), "NVIDIA Z1", "--machine FILE")
    with pytest.raises(UserError, match="no case is both"):
        compare(read_measured(path), PredictedFile(machine="h200", cases=()))
