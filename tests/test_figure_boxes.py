"""No text of a figure lies on another, under a line or over the edge: a few questions here, all with --figures 40."""

from pathlib import Path
from typing import Any

import pytest
from figure_boxes import faults
from figure_scenarios import LONG, SCENARIOS, SWEEPS
from matplotlib.figure import Figure as Drawing
from test_performance import scenario

from dsocr_symbolic import load_model, sweep
from dsocr_symbolic.language.library import load_library
from dsocr_symbolic.language.lookup import find_definition
from dsocr_symbolic.questions.sweep.dataset import dataset
from dsocr_symbolic.questions.sweep.marks import marks_of, memory_plan
from dsocr_symbolic.questions.sweep.picture import draw
from dsocr_symbolic.questions.sweep.plan import plan_sweep
from dsocr_symbolic.reports.performance.curves import curves
from dsocr_symbolic.reports.performance.figures import Figure, drawn, missing
from dsocr_symbolic.reports.performance.numbers import Performance, performance
from dsocr_symbolic.scenario.scenario import make_scenario
from dsocr_symbolic.writing.svg import style


def faults_of(numbers: Performance) -> list[str]:
    points = curves(numbers)
    found = [f"{name}: {fault}" for name, figure in drawn(numbers, points) for fault in faults(figure)]
    assert len(missing(numbers, points)) < len(Figure)
    return found


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "extreme" in metafunc.fixturenames:
        metafunc.parametrize("extreme", list(SCENARIOS)[: metafunc.config.getoption("--figures")])
    if "pictured" in metafunc.fixturenames:
        metafunc.parametrize("pictured", list(SWEEPS)[: metafunc.config.getoption("--figures")])


def test_the_extremes_are_forty() -> None:
    assert len(SCENARIOS) == 40


def test_no_figure_of_an_extreme_question_has_a_fault(extreme: str) -> None:
    assert faults_of(performance(scenario(**SCENARIOS[extreme]))) == []


def test_no_picture_of_a_sweep_has_a_fault(pictured: str) -> None:
    asked = dict(SWEEPS[pictured])
    metrics, by, settings = asked.pop("metrics"), asked.pop("by", "total"), asked.pop("settings", None)
    model = load_model("deepseek-ocr")
    plan = plan_sweep(model, metrics=metrics, by=by, settings=settings, **asked)
    marks = marks_of(plan, memory_plan(model, asked, settings=settings))
    with style():
        assert faults(draw(dataset(plan), marks)) == []


def test_long_names_of_a_picture_are_cut_or_wrapped() -> None:
    model = load_model("deepseek-ocr")
    data = sweep(model, metrics="parameters", workload=["tiny", "gundam"], batch=[1, 2, 3])
    long = data.assign_coords(workload=[f"{LONG}-1", f"{LONG}-2"]).assign_attrs(model=LONG * 2, gpu=LONG, settings=LONG)
    long["batch"].attrs["long_name"] = f"{LONG} " * 9
    with style():
        assert faults(draw(long)) == []
        assert faults(draw(long.isel(batch=[0]))) == []


OTHER = Path(__file__).parent / "manual" / "deepseek_ocr" / "other_network"


def test_names_of_another_network_may_be_long_and_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve stages, whose names are longer than any room for them; no crops."""
    text = (OTHER / "formulas" / "models" / "small-llama.yaml").read_text(encoding="utf-8")
    head, children = text.split("children:\n")
    prefill, decode = children.splitlines()
    names = [f"{LONG.replace('-', '_')}_{place}" for place in range(10)]
    renamed = [prefill.replace("prefill:", f"{name}:", 1).replace("logits", f"of_{name}") for name in names]
    head = head.replace("phases: [prefill, decode]", f"phases: [prefill, {', '.join(names)}, decode]")
    model = tmp_path / "long.yaml"
    model.write_text("\n".join([f"{head}children:", prefill, *renamed, decode, ""]), encoding="utf-8")
    monkeypatch.setenv("DSOCR_PATH", str(OTHER))
    load_library.cache_clear()
    try:
        definition = find_definition(str(model))
        assert len(definition.stages) == 12
        assert faults_of(performance(make_scenario(definition=definition))) == []
    finally:
        load_library.cache_clear()


def spoilt(kind: str) -> Any:
    """Draw a figure with one fault, or with none."""
    figure = Drawing(figsize=(4, 3))
    axes = figure.add_subplot()
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.text(0.5, 0.5, "words", ha="center", va="center", bbox={"fc": "white"} if kind == "on a plate" else None)
    match kind:
        case "another text":
            axes.text(0.52, 0.5, "others", ha="center", va="center")
        case "a turned text":
            axes.text(0.5, 0.5, "a long line of words", ha="center", va="center", rotation=60)
        case "beside a turned text":
            # Its level box holds the words, the text itself does not.
            axes.text(0.75, 0.5, "a long line of words", ha="center", va="center", rotation=50)
        case "a line" | "on a plate":
            axes.plot([0, 1], [0.4, 0.6])
        case "a marker":
            axes.plot([0.5], [0.5], marker="o", linestyle="none")
        case "a scattered dot":
            axes.scatter([0.5], [0.5], s=50)
        case "an edge":
            axes.bar([0.25], [0.9], width=0.5)
        case "the middle of a bar":
            axes.bar([0.5], [0.9], width=0.9)
        case "the edge of the figure":
            figure.text(0.95, 0.9, "far too long")
        case "a leader":
            axes.annotate("there", (0.5, 0.1), xytext=(0.5, 0.9), ha="center", arrowprops={"arrowstyle": "-"})
        case "a hidden text":
            axes.text(0.52, 0.5, "others", ha="center", va="center", visible=False)
    return figure


BAD = (
    "another text",
    "a turned text",
    "a line",
    "a marker",
    "a scattered dot",
    "an edge",
    "the edge of the figure",
    "a leader",
)
GOOD = ("nothing", "beside a turned text", "on a plate", "the middle of a bar", "a hidden text")


@pytest.mark.parametrize("kind", BAD)
def test_a_fault_is_found(kind: str) -> None:
    (fault,) = faults(spoilt(kind))
    assert ("far too long" if "figure" in kind else "words") in fault


@pytest.mark.parametrize("kind", GOOD)
def test_what_is_no_fault_is_none(kind: str) -> None:
    assert faults(spoilt(kind)) == []
