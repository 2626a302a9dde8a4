"""What a GPU measured, next to the formulas."""

from pathlib import Path

import pytest

from dsocr_symbolic.reports.measured import LIMIT, MeasuredMemory, comparable, memory_page, read_measured

FOLDER = Path(__file__).parents[1] / "reports" / "measured"
WHOLE = "prefill"
FILE = FOLDER / "memory-h200.json"
CASES = comparable(read_measured(FILE)[1])


def _name(case: MeasuredMemory) -> str:
    settings = [f"{key}={value}" for key, value in case.settings.items()]
    return " ".join([case.name, *settings, *case.choices.values()])


@pytest.mark.parametrize("case", CASES, ids=_name)
def test_predictions_are_near_what_tensors_ask_for(case: MeasuredMemory) -> None:
    assert case.requested_ratio == pytest.approx(1, abs=LIMIT)


def test_the_allocator_rounds_small_calls_alone() -> None:
    large = [case for case in CASES if case.peak_bytes > 100e6]
    assert len(large) > 30
    assert all(case.ratio == pytest.approx(1, abs=LIMIT) for case in large)


def test_towers_projector_and_pages_were_measured() -> None:
    assert {case.name for case in CASES} == {
        "vision/image_encoder_vit",
        "vision/vit_model",
        "vision/mlp_projector",
        WHOLE,
    }
    sizes = {
        (case.settings["image_size"], case.settings["batch"])
        for case in CASES
        if "vit" in case.name and "image_size" in case.settings
    }
    assert sizes == {(pixels, batch) for pixels in (512, 640, 1024, 1280) for batch in range(1, 10)}
    grids = {(case.settings["crop_columns"], case.settings["crop_rows"]) for case in CASES if case.name == WHOLE}
    assert grids == {(0, 0), (2, 1), (2, 2), (3, 2), (3, 3)}


def test_the_page_is_what_the_code_prints() -> None:
    assert (FOLDER / "memory.md").read_text(encoding="utf-8") == memory_page(FILE)
