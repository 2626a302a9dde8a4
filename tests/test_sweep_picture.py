"""Pictures: the right marks, labels with units, and the same bytes every time."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from test_cli import dsocr

from dsocr_symbolic import UserError, load_model, sweep
from dsocr_symbolic.evaluation.model import Model
from dsocr_symbolic.language.lookup import default_definition
from dsocr_symbolic.questions.capacity import fit
from dsocr_symbolic.questions.sweep.dataset import dataset
from dsocr_symbolic.questions.sweep.marks import Marks, marks_of, memory_plan
from dsocr_symbolic.questions.sweep.picture import draw, write_picture
from dsocr_symbolic.questions.sweep.plan import plan_sweep
from dsocr_symbolic.scenario.scenario import make_scenario

matplotlib = pytest.importorskip("matplotlib")

FAST = "forward_tensor_core_flops"
TEXT = "{http://www.w3.org/2000/svg}text"


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model("deepseek-ocr")


def words(path: Path) -> str:
    """Return all text of a picture."""
    found = ET.fromstring(path.read_text(encoding="utf-8"))  # noqa: S314 - written by this very test
    return "\n".join("".join(each.itertext()) for each in found.iter(TEXT))


def test_a_picture_says_what_it_shows(model: Model, tmp_path: Path) -> None:
    data = sweep(model, metrics="roofline_s", by="projector", batch=[1, 2, 4, 8, 16], settings={"new_tokens": 7})
    write_picture(data, tmp_path / "a.svg")
    text = " ".join(words(tmp_path / "a.svg").split())
    for each in (
        "deepseek-ocr: roofline_s of projector",
        "roofline_s [µs]",
        "batch: requests in the batch",
        "workload gundam",
        "gpu rtx5090",
        "new_tokens = 7",
        "neither a bound nor a forecast",
    ):
        assert each in text
    assert [path.name for path in tmp_path.iterdir()] == ["a.svg"]


def test_a_line_per_stage(model: Model) -> None:
    data = sweep(model, metrics="forward_io_bytes", by="stage", batch=[8, 1, 64])
    (axes,) = draw(data).axes
    assert [line.get_label() for line in axes.lines] == ["vision", "projector", "prefill", "decode", "total"]
    for line in axes.lines:
        assert line.get_xdata().tolist() == [1, 8, 64]
        assert (
            line.get_ydata().tolist()
            == data.forward_io_bytes.sel(stage=line.get_label(), batch=[1, 8, 64]).values.tolist()
        )
    assert axes.get_yscale() == axes.get_xscale() == "log"
    assert axes.get_ylabel() == "forward_io_bytes [B]"


def test_numbers_are_scaled_by_the_unit_of_the_axis(model: Model) -> None:
    data = sweep(model, metrics=FAST, batch="1:50", gpu=["h200"])
    (axes,) = draw(data).axes
    assert axes.get_ylabel() == f"{FAST} [TFLOP]"
    assert axes.lines[0].get_ydata().tolist() == (data[FAST].isel(gpu=0).values / 1e12).tolist()
    assert axes.get_yscale() == axes.get_xscale() == "linear"
    assert axes.get_ylim()[0] == 0


@pytest.mark.parametrize(
    ("question", "label"),
    [
        ({"metrics": "parameters", "batch": "1:3"}, "parameters [10⁹ parameter]"),
        ({"metrics": "forward_kv_cache_bytes", "batch": "1:3"}, "forward_kv_cache_bytes [MB]"),
        ({"metrics": "forward_arithmetic_intensity", "batch": "1:3"}, "forward_arithmetic_intensity [FLOP/byte]"),
        ({"metrics": "forward_io_bytes", "by": "decode", "batch": "1:3", "new_tokens": 0}, "forward_io_bytes [B]"),
    ],
)
def test_units(model: Model, question: dict[str, Any], label: str) -> None:
    assert draw(sweep(model, **question)).axes[0].get_ylabel() == label


def test_names_give_bars(model: Model) -> None:
    data = sweep(model, metrics=FAST, by="stage", workload=["tiny", "small", "gundam"])
    (axes,) = draw(data).axes
    assert len(axes.patches) == 15
    assert [each.get_text() for each in axes.get_yticklabels()] == data.stage.values.tolist()
    assert [each.get_text() for each in axes.get_legend().get_texts()] == ["tiny", "small", "gundam"]
    (axes,) = draw(sweep(model, metrics=FAST, crop_grid="all")).axes
    assert len(axes.patches) == 23


def test_two_long_axes_give_a_heat_map(model: Model) -> None:
    data = sweep(model, metrics=FAST, batch="1:40", crop_grid="all")
    axes, bar = draw(data).axes
    (mesh,) = axes.collections
    assert mesh.get_array().shape == (23, 40)
    assert mesh.get_array()[5, 7] == data[FAST].isel(batch=7, crop_grid=5).item() / 1e12
    assert bar.get_ylabel() == f"{FAST} [TFLOP]"
    assert [each.get_text() for each in axes.get_yticklabels()] == data.crop_grid.values.tolist()


def test_a_short_second_axis_gives_a_family_of_lines(model: Model) -> None:
    (axes,) = draw(sweep(model, metrics=FAST, new_tokens=[0, 512], batch="1:40")).axes
    assert [line.get_label() for line in axes.lines] == ["0", "512"]
    assert axes.get_legend().get_title().get_text() == "new_tokens"


def panels(figure: Any) -> list[Any]:
    return [axes for axes in figure.axes if axes.get_title()]


def test_several_metrics_and_a_third_axis_are_panels(model: Model) -> None:
    figure = draw(sweep(model, metrics=[FAST, "parameters"], batch=[1, 2]))
    assert [axes.get_title() for axes in panels(figure)] == [FAST, "parameters"]
    data = sweep(model, metrics=FAST, by="stage", batch=[1, 2, 4, 8], logits=["all", "last"])
    figure = draw(data)
    assert [axes.get_title() for axes in panels(figure)] == ["logits all", "logits last"]
    for logits, axes in zip(("all", "last"), panels(figure), strict=True):
        line = axes.lines[2]
        assert line.get_label() == "prefill"
        drawn = data[FAST].sel(logits=logits, stage="prefill").values
        assert drawn / line.get_ydata() == pytest.approx(drawn[0] / line.get_ydata()[0])


def test_a_single_number_is_a_bar(model: Model) -> None:
    data = sweep(model, metrics=FAST, batch=[3])
    (axes,) = draw(data).axes
    (bar,) = axes.patches
    assert bar.get_width() == data[FAST].item() / 1e12
    assert [each.get_text() for each in axes.get_yticklabels()] == ["3"]


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        ({"metrics": FAST, "batch": "1:1001", "new_tokens": "1:1000"}, "at most 1,000,000"),
        ({"metrics": FAST, "batch": "1:13", "new_tokens": "1:13", "text_tokens": "1:13"}, "13 panels; .* at most 12"),
    ],
)
def test_what_cannot_be_drawn(model: Model, tmp_path: Path, question: dict[str, Any], reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        write_picture(sweep(model, **question), tmp_path / "a.svg")
    assert list(tmp_path.iterdir()) == []


# marks


def marked(model: Model, metrics: str, **question: Any) -> tuple[Any, Marks]:
    """Return a figure with its marks, and them."""
    apart = {name: question.pop(name) for name in ("by",) if name in question}
    settings = {"settings": question.pop("settings", {})}
    plan = plan_sweep(model, metrics=metrics, **apart, **settings, **question)
    marks = marks_of(plan, memory_plan(model, question, **settings))
    return draw(dataset(plan), marks), marks


def legend(figure: Any) -> list[str]:
    handles = [*figure.legends, *(axes.get_legend() for axes in figure.axes if axes.get_legend())]
    return [text.get_text() for found in handles for text in found.get_texts()]


@pytest.mark.parametrize("settings", [{}, {"reserve": 20 * 2**30}, {"usable_memory": 10**10}])
def test_what_is_marked_is_what_totals_say_does_not_fit(model: Model, settings: dict[str, Any]) -> None:
    gpus, batches = ["l4", "rtx5090", "b200"], [1, 8, 33, 34, 300]
    _, marks = marked(model, FAST, gpu=gpus, batch=batches, settings=settings)
    definition = default_definition(None)
    for gpu in gpus:
        for batch in batches:
            asked = make_scenario(definition=definition, gpu=gpu, settings={"batch": batch, **settings})
            unfit = marks.unfit.isel(gpu=gpus.index(gpu), batch=batches.index(batch)).item()
            assert unfit is not fit(asked).fits


def test_memory_itself_may_vary(model: Model) -> None:
    _, marks = marked(model, "peak_memory_bytes", usable_memory=[8 * 10**9, 10**10], reserve=[0, 5 * 10**9])
    assert marks.unfit.values.tolist() == [[False, True], [False, True]]
    assert marks.room == "its machine's memory"


def test_lines_are_dotted_and_hollow_where_nothing_fits(model: Model) -> None:
    figure, _ = marked(model, "roofline_s", batch=[1, 32, 33, 34, 64])
    solid, dotted, hollow = figure.axes[0].lines
    assert (solid.get_linestyle(), dotted.get_linestyle(), hollow.get_markerfacecolor()) == ("-", ":", "white")
    assert np.isnan(solid.get_ydata()).tolist() == [False, False, False, True, True]
    assert np.isnan(dotted.get_ydata()).tolist() == [True, True, False, False, False]
    assert np.isnan(hollow.get_ydata()).tolist() == [True, True, True, False, False]
    assert legend(figure) == ["does not fit\n33.12 GB"]


def test_bars_are_hatched_where_nothing_fits(model: Model) -> None:
    figure, _ = marked(model, "roofline_s", gpu=["l4", "b200"], batch=[64])
    assert [bool(bar.get_hatch()) for bar in figure.axes[0].patches] == [True, False]
    assert legend(figure) == ["does not fit\nits machine's memory"]


def test_cells_are_hatched_where_nothing_fits(model: Model) -> None:
    figure, marks = marked(model, FAST, batch="1:40", text_tokens="1:2000:100")
    mesh, hatched = figure.axes[0].collections
    assert mesh.get_array().shape == (20, 40)
    cells = np.zeros((20, 40), dtype=bool)
    for path in hatched.get_paths():
        (left, row), (right, _) = path.vertices[0], path.vertices[2]
        cells[round(row), round(left) : round(right)] = True
    assert cells.tolist() == marks.unfit.transpose("text_tokens", "batch").values.tolist()
    assert 0 < cells.sum() < cells.size
    assert legend(figure) == ["does not fit\n33.12 GB"]


def test_no_value_and_a_warning_are_told_apart(model: Model) -> None:
    intensity = {"metrics": "forward_arithmetic_intensity", "by": "decode"}
    figure, marks = marked(model, **intensity, new_tokens=[0, 1, 7000, 8000])
    marks_at = {line.get_marker(): line.get_xdata().tolist() for line in figure.axes[0].lines}
    assert marks_at == {"o": [0, 1, 7000, 8000], "x": [0], "|": [8000]}
    assert marks.warned.values.tolist() == [False, False, False, True]
    assert legend(figure) == ["no value", "warned of: see the words"]


def test_a_picture_without_marks_has_no_legend_of_them(model: Model) -> None:
    figure, marks = marked(model, FAST, batch=[1, 2])
    assert not marks.unfit.any()
    assert not marks.warned.any()
    assert legend(figure) == []


def test_the_command_marks_what_does_not_fit(tmp_path: Path) -> None:
    answer = dsocr("sweep", "--vary", "batch=1,64", "--metric", "roofline_s", "--out", tmp_path / "a.svg")
    assert (answer.status, answer.err) == (0, "")
    assert "does not fit\n33.12 GB" in words(tmp_path / "a.svg")


_DRAW = """
import sys
from pathlib import Path
from dsocr_symbolic import load_model, sweep
from dsocr_symbolic.questions.sweep.picture import write_picture
model = load_model("deepseek-ocr")
folder = Path(sys.argv[1])
write_picture(sweep(model, metrics="parameters", by="stage", batch=[1, 2, 4]), folder / "lines.svg")
write_picture(sweep(model, metrics="parameters", batch="1:70", new_tokens="1:50"), folder / "map.svg")
"""


def test_the_same_bytes_every_time(tmp_path: Path) -> None:
    found = []
    for seed in ("1", "2"):
        folder = tmp_path / seed
        folder.mkdir()
        command = [sys.executable, "-c", _DRAW, str(folder)]
        top = str(Path(__file__).parent.parent)
        subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": top, "PYTHONHASHSEED": seed})
        found.append({each.name: each.read_text(encoding="utf-8") for each in folder.iterdir()})
    assert found[0] == found[1]
    assert found[0].keys() == {"lines.svg", "map.svg"}
    for text in found[0].values():
        assert "<dc:date>" not in text
        assert not re.search(r"<[^>]*\d\.\d{3,}[^>]*>", text)


def test_lines_on_one_another_are_all_seen() -> None:
    model = load_model("deepseek-ocr")
    asked: dict[str, Any] = {"batch": [1, 32, 64], "gpu": ["l4", "h200"]}
    plan = plan_sweep(model, metrics="peak_memory_bytes", **asked)
    (axes,) = draw(dataset(plan), marks_of(plan, memory_plan(model, asked))).axes
    lower, upper = (next(line for line in axes.lines if line.get_label() == gpu) for gpu in ("l4", "h200"))
    assert lower.get_linewidth() > upper.get_linewidth()
    dotted = [line for line in axes.lines if line.get_linestyle() == ":"]
    assert dotted
    assert all(line.get_zorder() > upper.get_zorder() for line in dotted)
