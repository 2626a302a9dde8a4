"""Host work of pages: what they hold, the checkpoint's steps, constants that fit them, and bills that say so."""

import json
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from test_cli import assert_refused, dsocr

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.evaluation.host_work import PageViews, contained, host_seconds, unmeasured, views_of
from dsocr_symbolic.language.lookup import default_definition
from dsocr_symbolic.language.registry import load_machine
from dsocr_symbolic.language.time_formula import host_symbols, load_time, measured_symbols
from dsocr_symbolic.paths import PACKAGE
from dsocr_symbolic.questions.host_pages import feeding
from dsocr_symbolic.scenario.hardware import load_gpu, load_host
from dsocr_symbolic.scenario.page_contents import PageContent, page_content, pdf_contents, picture_content

FORMULAS = sorted(
    path.stem
    for path in (PACKAGE.parent / "formulas" / "time" / "host").glob("*.yaml")
    if load_time(f"host/{path.stem}").of == "page"
)
CONSTANTS = sorted(host_symbols("page"))
KNOWN = {name: (place + 1) * 1e-9 for place, name in enumerate(CONSTANTS)}


def host_file(folder: Path, **changes: Any) -> Path:
    """Write a host file with a nanosecond for everything."""
    constants = {f"{name}_ns": {"value": 1.0, "records": ["made up"]} for name in CONSTANTS}
    content = {
        "schema": "dsocr host 1",
        "command": "none",
        "processor": "made up",
        "date": "2030-01-02",
        "pillow": "1",
        "pdfium": "2",
        "torch": "3",
        "constants": constants,
    }
    path = folder / "host.yaml"
    path.write_text(yaml.safe_dump(content | changes))
    return path


def picture(path: Path, width: int, height: int, mode: str = "RGB", **settings: Any) -> Path:
    Image.effect_noise((width, height), 60).convert(mode).save(path, **settings)
    return path


# formulas


def test_constants_of_pages_are_neither_those_of_kernels_nor_of_launches() -> None:
    assert set(CONSTANTS) <= load_machine().keys()
    for others in measured_symbols():
        assert not others & set(CONSTANTS)


@pytest.mark.parametrize("name", FORMULAS)
def test_seconds_grow_with_each_amount_and_are_0_of_nothing(name: str) -> None:
    from dsocr_symbolic.algebras import arithmetic

    time = load_time(f"host/{name}")
    amounts = dict.fromkeys(time.arguments, 1000)
    whole = time.spelled({**KNOWN, **amounts}, arithmetic)["seconds"]
    for argument in time.arguments:
        assert time.spelled({**KNOWN, **amounts, argument: 9000}, arithmetic)["seconds"] > whole
    free = time.spelled({**dict.fromkeys(CONSTANTS, 0), **amounts}, arithmetic)["seconds"]
    assert free == 0


@given(width=st.integers(1, 5000), height=st.integers(1, 5000), side=st.sampled_from((512, 1024, 1280)))
@settings(max_examples=60, deadline=None)
def test_a_page_is_brought_into_a_square_as_pillow_does(width: int, height: int, side: int) -> None:
    # Of a 1-bit picture of this shape Pillow works out the size in the same way, and resizes it in no time.
    if width * side <= 4000 * height and height * side <= 4000 * width:
        assert contained(width, height, side) == ImageOps.contain(Image.new("1", (width, height)), (side, side)).size


def test_seconds_are_the_sum_of_the_steps_that_the_checkpoint_takes() -> None:
    page = PageContent(
        kind="png", said="PNG", width=2000, height=1000, amounts={"bytes": 10, "samples": 20, "pixels": 2_000_000}
    )
    views = PageViews(columns=3, rows=2, crop_side=640, side=1024, squashed=False)
    found = host_seconds(page, views, KNOWN)
    k = KNOWN
    assert found.opening == pytest.approx(
        k["page_open"] + 10 * k["png_byte"] + 20 * k["png_sample"] + 2_000_000 * k["png_pixel"]
    )

    def resize(width: int, height: int) -> float:
        across = 1000 * (max(2000, width) * k["across_tap"] + width * k["across_pixel"])
        return across + width * height * k["down_pixel"]

    assert found.resizing == pytest.approx(resize(1920, 1280) + resize(1024, 512))
    assert found.copying == pytest.approx((6 * 640**2 + 1024 * 512) * k["copy_pixel"])
    large = 1024**2 * (k["view_pixel"] + k["view_large_pixel"])
    assert found.tensors == pytest.approx(7 * k["view_start"] + 6 * 640**2 * k["view_pixel"] + large)
    assert found.total == pytest.approx(found.opening + found.resizing + found.copying + found.tensors)


def test_views_are_those_of_the_workload() -> None:
    crops = default_definition(None).roles.crops
    assert crops is not None
    numbers = {"base_size": 1024, "image_size": 640}
    cropped = views_of(crops, numbers, "crop", (3, 2))
    assert cropped == PageViews(columns=3, rows=2, crop_side=640, side=1024, squashed=False)
    small = views_of(crops, {**numbers, "base_size": 512}, "native", (3, 2))
    assert small == PageViews(columns=0, rows=0, crop_side=640, side=512, squashed=True)
    base = views_of(crops, numbers, "native", (3, 2))
    assert base is not None
    assert not base.squashed


def test_the_steps_give_the_tensors_of_the_network() -> None:
    pytest.importorskip("torch", reason="tensors need torch (the extra 'verify')")
    from dsocr_symbolic.measurement.pages.steps import opened, prepared

    data = BytesIO()
    Image.effect_noise((700, 900), 50).save(data, "JPEG")
    views = PageViews(columns=1, rows=2, crop_side=128, side=256, squashed=False)
    whole, *crops = prepared(opened(data.getvalue()), views)
    assert whole.shape == (3, 256, 256)
    assert [crop.shape for crop in crops] == [(3, 128, 128)] * 2
    # What pads the page is grey: 127/255 normalised by mean and deviation of 0.5.
    assert whole[:, 0, 0].tolist() == pytest.approx([127 / 127.5 - 1] * 3, abs=1e-4)
    assert -1 <= float(whole.min()) < 0 < float(whole.max()) <= 1


# contents

KINDS: Mapping[str, tuple[str, str, dict[str, Any], float]] = {
    "png": ("a.png", "RGB", {}, 3),
    "jpeg": ("a.jpg", "RGB", {"quality": 70}, 1.5),
    "progressive": ("a.jpg", "L", {"progressive": True}, 1),
    "webp": ("a.webp", "RGB", {"quality": 70}, 3),
    "tiff": ("a.tif", "L", {}, 1),
    "lzw": ("a.tif", "RGB", {"compression": "tiff_lzw"}, 3),
    "deflate": ("a.tif", "RGBA", {"compression": "tiff_adobe_deflate"}, 4),
    "fax": ("a.tif", "1", {"compression": "group4"}, 1),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_holds_what_its_header_says(kind: str, tmp_path: Path) -> None:
    name, mode, saving, samples = KINDS[kind]
    path = picture(tmp_path / name, 90, 50, mode, **saving)
    found = page_content(str(path), 1, 144)
    assert (found.kind, found.width, found.height) == (kind, 90, 50)
    assert found.amounts == {"bytes": path.stat().st_size, "samples": 90 * 50 * samples, "pixels": 90 * 50}
    assert set(load_time(f"host/{kind}").arguments) <= found.amounts.keys()
    assert unmeasured(kind, KNOWN) == ""


@pytest.mark.parametrize(("name", "saving"), [("a.webp", {"lossless": True}), ("a.bmp", {}), ("a.gif", {})])
def test_nothing_is_claimed_of_kinds_without_a_formula(name: str, saving: dict[str, Any], tmp_path: Path) -> None:
    found = page_content(str(picture(tmp_path / name, 40, 30, **saving)), 1, 144)
    assert found.kind == ""
    with pytest.raises(UserError, match="no formula"):
        host_seconds(found, PageViews(columns=0, rows=0, crop_side=640, side=640, squashed=False), KNOWN)


def test_a_pdf_holds_characters_and_pictures() -> None:
    pytest.importorskip("numpy")
    from dsocr_symbolic.measurement.pages.made import scan_pdf, text_pdf

    (text,) = pdf_contents(text_pdf(10, 3), 144)
    assert text.kind == "pdf"
    assert text.amounts["characters"] > 1000
    assert text.amounts["image_bytes"] == 0
    assert (text.width, text.height) == (1190, 1684)
    image = Image.effect_noise((1000, 1400), 50).convert("RGB")
    (scan,) = pdf_contents(scan_pdf(image, {"quality": 80}), 144)
    assert scan.amounts["image_pixels"] == 1000 * 1400
    assert scan.amounts["image_samples"] == 3 * 1000 * 1400
    assert scan.amounts["stretched_pixels"] == 0
    (shrunk,) = pdf_contents(scan_pdf(image, {"quality": 80}), 100)
    assert shrunk.amounts["stretched_samples"] == 3 * 1000 * 1400
    assert set(load_time("host/pdf").arguments) == scan.amounts.keys()


# calibration


def test_a_fit_finds_the_constants_that_made_the_seconds() -> None:
    pytest.importorskip("torch", reason="calibration needs torch (the extra 'verify')")
    pytest.importorskip("scipy", reason="calibration needs scipy (the extra 'verify')")
    from dsocr_symbolic.algebras import arithmetic
    from dsocr_symbolic.language.files.calibration_file import load_pages
    from dsocr_symbolic.measurement.pages.documents import fit_pages, host_text, residuals
    from dsocr_symbolic.measurement.pages.records import PageRecord

    pages = load_pages()
    truth = {"webp_byte": 4e-8, "webp_pixel": 5e-9, "page_open": 6e-5, "png_byte": 9e-9, "png_sample": 2e-9}
    truth["png_pixel"] = 1e-9
    records, seconds = [], {}
    for place in range(12):
        for kind in ("png", "webp"):
            amounts = {"bytes": 1000 * place**2 + 7, "samples": 3000 * (1 + place % 5), "pixels": 9000 + 500 * place}
            name = f"{kind} {place}"
            records.append(PageRecord(name=name, group=kind, use=kind, amounts=amounts, call=lambda: None))
            seconds[name] = float(load_time(f"host/{kind}").spelled({**truth, **amounts}, arithmetic)["seconds"])
    found = fit_pages(pages, records, seconds)
    assert found.constants == {name: pytest.approx(value, rel=1e-3) for name, value in truth.items()}
    assert all(abs(error) < 1e-3 for error in found.errors.values())
    assert residuals(found)["webp"]["records"] == 12
    with pytest.raises(UserError, match="too few pages"):
        host_text({"constants": {}}, "none")


def test_every_constant_is_fixed_by_some_pages() -> None:
    from dsocr_symbolic.language.files.calibration_file import load_pages

    pages = load_pages()
    assert sorted(name for fit in pages.fits for name in fit.constants) == CONSTANTS
    assert {group for fit in pages.fits for group in fit.groups} == set(pages.groups)


def test_a_folder_without_pages_is_one_line(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="calibration needs torch (the extra 'verify')")
    from dsocr_symbolic.measurement.pages.folder import folder_records

    with pytest.raises(UserError, match="is no folder"):
        folder_records(tmp_path / "none", [])
    with pytest.raises(UserError, match="holds no image or PDF"):
        folder_records(tmp_path, [])
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match="none of its 1 pages"):
        folder_records(tmp_path, [])
    picture(tmp_path / "b.png", 60, 40)
    assert [record.use for record in folder_records(tmp_path, [])] == ["png"]


# bills


def bill(*arguments: str | Path) -> Any:
    answered = dsocr("totals", "--format", "json", *arguments)
    assert answered.status == 0, answered.err
    return json.loads(answered.out)


def test_a_bill_says_what_pages_take_on_the_host(tmp_path: Path) -> None:
    pages = tmp_path / "pages"
    pages.mkdir()
    picture(pages / "a.png", 900, 700)
    picture(pages / "b.jpg", 300, 200)
    picture(pages / "c.bmp", 300, 200)
    machine = host_file(tmp_path)
    found = bill("--machine", machine, "--gpu", "l4", "--document", pages)
    known = dict.fromkeys(CONSTANTS, 1e-9)
    crops = default_definition(None).roles.crops
    assert crops is not None
    expected = []
    for row in found["pages"][:2]:
        grid = (row["crop_columns"], row["crop_rows"])
        views = views_of(crops, {"base_size": 1024, "image_size": 640}, "crop", grid)
        assert views is not None
        content = picture_content(pages / Path(row["path"]).name, Path(row["path"]).stat().st_size)
        expected.append(host_seconds(content, views, known).total)
        assert row["host_s"] == pytest.approx(expected[-1])
        assert row["first_token_s"] == pytest.approx(row["host_s"] + row["total"]["ttft_wall_s"])
    host = found["host"]
    assert host["pages"] == 2
    assert host["total_s"] == pytest.approx(sum(expected))
    assert sum(host["parts"].values()) == pytest.approx(host["total_s"])
    assert host["cores"] == pytest.approx(sum(expected) / 2 * 3 / found["total"]["wall_s"])
    assert list(host["unknown"].values()) == [1]
    assert found["pages"][2]["host_s"] is None
    text = dsocr("totals", "--machine", machine, "--gpu", "l4", "--document", pages).out
    assert "host before the GPU: " in text
    assert "measured on made up, 2030-01-02" in text
    assert "BMP" in text
    table = dsocr("totals", "--machine", machine, "--gpu", "l4", "--by", "page", "--document", pages).out
    assert " host " in next(line for line in table.splitlines() if line.startswith("page "))
    rows = dsocr("totals", "--machine", machine, "--format", "csv", "--document", pages).out.splitlines()
    head = next(line for line in rows if line.startswith("path,")).split(",")
    assert float(rows[-3].split(",")[head.index("host_s")]) == pytest.approx(expected[0], rel=1e-6)


def test_without_constants_nothing_is_said_of_the_host(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png", 900, 700)
    found = bill("--document", path)
    assert found["host"] is None
    assert found["pages"][0]["host_s"] is None
    assert "dsocr calibrate --documents" in found["null_because"]["host"]
    assert "host before" not in dsocr("totals", "--document", path).out
    assert bill()["host"] is None


def test_a_machine_that_lacks_a_kind_says_so(tmp_path: Path) -> None:
    kept = {f"{name}_ns": {"value": 1, "records": ["x"]} for name in CONSTANTS if not name.startswith("png")}
    found = bill("--machine", host_file(tmp_path, constants=kept), "--document", picture(tmp_path / "a.png", 90, 70))
    assert found["host"] is None
    assert found["pages"][0]["host_s"] is None


WRONG = (
    ({"schema": "dsocr host 2"}, ("host.yaml",)),
    ({"constants": {"png_byte": {"value": 1, "records": []}}}, ("no known unit",)),
    ({"constants": {"png_byte_ns": {"value": float("nan"), "records": ["x"]}}}, ("from 0 on",)),
    ({"constants": {"png_byte_ns": {"value": -1, "records": ["x"]}}}, ("from 0 on",)),
    ({"processor": ""}, ("write a sentence",)),
)


@pytest.mark.parametrize(("changes", "words"), WRONG, ids=range(len(WRONG)))
def test_a_wrong_host_file_is_one_line(changes: dict[str, Any], words: tuple[str, ...], tmp_path: Path) -> None:
    assert_refused(dsocr("totals", "--machine", host_file(tmp_path, **changes)), *words)


def test_a_host_file_is_no_gpu(tmp_path: Path) -> None:
    path = host_file(tmp_path)
    assert_refused(dsocr("totals", "--gpu", path), "--machine")
    host = load_host(str(path))
    assert host is not None
    assert host.said == "measured on made up, 2030-01-02, Pillow 1, pypdfium2 2"
    assert load_host(str(tmp_path / "none.yaml")) is None


def test_a_machine_file_may_hold_what_its_host_takes(tmp_path: Path) -> None:
    machine = yaml.safe_load((PACKAGE.parent / "hardware" / "h200.yaml").read_text())["measured"]
    path = tmp_path / "machine.yaml"
    path.write_text(yaml.safe_dump(machine | {"pages": yaml.safe_load(host_file(tmp_path).read_text())}))
    gpu = load_gpu(str(path))
    assert gpu.host is not None
    assert gpu.measured is not None
    assert gpu.numbers["png_byte_s"].value_si == pytest.approx(1e-9)
    assert "png_byte_s" not in load_gpu("h200").numbers
    path.write_text(yaml.safe_dump(machine))
    assert load_gpu(str(path)).host is None


def test_cores_that_feed_a_gpu() -> None:
    assert feeding(0.05, 40) == pytest.approx(2)
    for wrong in ((-1, 1), (1, -1), (float("nan"), 1), (1, float("nan"))):
        with pytest.raises(UserError, match="cores"):
            feeding(*wrong)
