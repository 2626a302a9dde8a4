"""Pictures: the right marks, labels with units, and the same bytes every time."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from dsocr_symbolic import UserError, load_model, sweep
from dsocr_symbolic.evaluation.model import Model
from dsocr_symbolic.questions.sweep.picture import draw, write_picture

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
    text = words(tmp_path / "a.svg")
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


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        ({"metrics": [FAST, "parameters"], "batch": [1, 2]}, f"shows one metric, not {FAST}, parameters"),
        ({"metrics": FAST, "batch": [1]}, "a single number is no picture"),
        (
            {"metrics": FAST, "by": "stage", "batch": [1, 2], "logits": ["all", "last"]},
            "two axes, not batch, logits, stage",
        ),
        ({"metrics": FAST, "batch": "1:1001", "new_tokens": "1:1000"}, "at most 1,000,000"),
    ],
)
def test_what_cannot_be_drawn(model: Model, tmp_path: Path, question: dict[str, Any], reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        write_picture(sweep(model, **question), tmp_path / "a.svg")
    assert list(tmp_path.iterdir()) == []


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
        subprocess.run(command, check=True, env={"PYTHONPATH": top, "PYTHONHASHSEED": seed, "HOME": str(tmp_path)})
        found.append({each.name: each.read_text(encoding="utf-8") for each in folder.iterdir()})
    assert found[0] == found[1]
    assert found[0].keys() == {"lines.svg", "map.svg"}
    for text in found[0].values():
        assert "<dc:date>" not in text
        assert not re.search(r"<[^>]*\d\.\d{3,}[^>]*>", text)
