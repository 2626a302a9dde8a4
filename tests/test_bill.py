"""Documents: a row per page, their sum, and pages that cannot be read."""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
import yaml
from attrs import evolve
from conftest import Terminal, evaluate_model, uncommented
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from test_cli import assert_refused, dsocr
from test_documents import pdf_of_objects, reference_grid, write_pdf

import dsocr_symbolic.questions.totals.bill
from dsocr_symbolic.evaluation.estimate import Estimate
from dsocr_symbolic.language.lookup import default_definition
from dsocr_symbolic.questions.totals.bill import make_bill
from dsocr_symbolic.scenario.crop_grids import all_grids, crop_grid
from dsocr_symbolic.scenario.documents import PageSize
from dsocr_symbolic.scenario.scenario import Scenario, make_scenario
from dsocr_symbolic.writing.terminal import tracked

A4 = (595.276, 841.89)
FLOWS = ("forward_tensor_core_flops", "forward_cuda_core_flops", "forward_io_bytes", "operator_launches")
# Held whole, every number of a page is an int and every sum is exact.
WHOLE = {"prefill_experts_hit": 64, "decode_experts_hit": 6}
SETTINGS = tuple(part for name, value in WHOLE.items() for part in ("--set", f"{name}={value}"))


def picture(path: Path, width: int, height: int, **options: Any) -> Path:
    Image.new("L", (width, height)).save(path, **options)
    return path


def locked_pdf(path: Path) -> Path:
    lock = b"<< /Filter /Standard /V 1 /R 2 /P -4 /O <%s> /U <%s> >>" % (b"ab" * 32, b"cd" * 32)
    pages = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>",
    )
    path.write_bytes(pdf_of_objects(*pages, lock, trailer=b"/Encrypt 4 0 R /ID [<00> <00>]"))
    return path


def bill(*arguments: str | Path, status: int = 0, said: str = "") -> dict[str, Any]:
    answer = dsocr("totals", "--format", "json", *SETTINGS, "--document", *arguments)
    assert answer.status == status
    assert said in answer.err
    assert bool(answer.err) == bool(said)
    found: dict[str, Any] = json.loads(answer.out)
    return found


@cache
def expected_total(columns: int, rows: int, workload: str = "gundam") -> dict[str, Any]:
    return dict(evaluate_model(workload, {**WHOLE, "crop_columns": columns, "crop_rows": rows}, details=True).total)


def grids(found: dict[str, Any]) -> list[tuple[int, int]]:
    return [(row["crop_columns"], row["crop_rows"]) for row in found["pages"]]


def assert_sums(found: dict[str, Any]) -> None:
    rows = [row["total"] for row in found["pages"] if row["error"] is None]
    for flow in FLOWS:
        assert sum(row[flow] for row in rows) == found["total"][flow]
    assert sum(row["roofline_s"] for row in rows) == pytest.approx(found["total"]["roofline_s"], rel=1e-12)
    assert found["total"]["parameters"] == 3_336_106_240
    assert found["total"]["forward_weight_bytes"] == 6_672_212_480
    assert found["total"]["forward_kv_cache_bytes"] == max(row["forward_kv_cache_bytes"] for row in rows)
    for name, stage in found["stages"].items():
        (node,) = (each for each in found["nodes"] if each["path"] == name)
        assert {metric: node[metric] for metric in stage} == stage
    for flow in FLOWS:
        assert sum(stage[flow] for stage in found["stages"].values()) == found["total"][flow]


# pages


def test_a_pdf_of_several_pages(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "report.pdf", (*A4, 0), (*A4, 90), (1000, 1000, 0), (288, 288, 0), (*A4, 0))
    found = bill(path)
    assert [row["page"] for row in found["pages"]] == [1, 2, 3, 4, 5]
    assert {row["path"] for row in found["pages"]} == {str(path)}
    sizes = [(row["width"], row["height"]) for row in found["pages"]]
    assert sizes == [(1191, 1684), (1684, 1191), (2000, 2000), (576, 576), (1191, 1684)]
    assert grids(found) == [(2, 3), (3, 2), (3, 3), (0, 0), (2, 3)]
    assert [row["prompt_tokens"] for row in found["pages"]] == [913, 903, 1213, 283, 913]
    assert [row["image_tokens"] for row in found["pages"]] == [903, 893, 1203, 273, 903]
    for row, grid in zip(found["pages"], grids(found), strict=True):
        assert row["total"] == expected_total(*grid)
    assert_sums(found)


def test_images_a_folder_and_a_pdf_together(tmp_path: Path) -> None:
    folder = tmp_path / "scans"
    folder.mkdir()
    picture(folder / "b.png", 1280, 640)
    picture(folder / "a.jpg", 640, 640)
    exif = Image.Exif()
    exif[274] = 6
    picture(folder / "c.jpg", 1280, 640, exif=exif)
    single = picture(tmp_path / "wide.bmp", 3000, 300)
    pdf = write_pdf(tmp_path / "d.pdf", (*A4, 0))
    found = bill(folder, single, pdf)
    names = [Path(row["path"]).name for row in found["pages"]]
    assert names == ["a.jpg", "b.png", "c.jpg", "wide.bmp", "d.pdf"]
    assert grids(found) == [(0, 0), (2, 1), (1, 2), (9, 1), (2, 3)]
    assert_sums(found)


def test_frames_of_a_tiff(tmp_path: Path) -> None:
    frames = [Image.new("L", size) for size in ((1000, 1000), (700, 500))]
    frames[0].save(tmp_path / "scan.tiff", save_all=True, append_images=frames[1:])
    found = bill(tmp_path / "scan.tiff")
    assert [(row["page"], row["width"], row["height"]) for row in found["pages"]] == [(1, 1000, 1000), (2, 700, 500)]
    assert grids(found) == [(2, 2), (3, 2)]


def test_every_grid(tmp_path: Path) -> None:
    for columns, rows in all_grids():
        picture(tmp_path / f"{columns}x{rows}.png", 640 * columns, 640 * rows)
    found = bill(tmp_path)
    assert sorted(grids(found)) == sorted(all_grids())
    for row in found["pages"]:
        assert Path(row["path"]).stem == f"{row['crop_columns']}x{row['crop_rows']}"
        assert row["crops"] == row["crop_columns"] * row["crop_rows"]
        assert row["image_tokens"] == 273 + 10 * row["crop_rows"] * (10 * row["crop_columns"] + 1)
    assert_sums(found)


def test_dpi(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "a.pdf", (*A4, 0))
    fine, coarse = bill(path, "--dpi", "300"), bill(path, "--dpi=50")
    assert [(row["width"], row["height"]) for row in fine["pages"]] == [(2481, 3508)]
    assert [(row["width"], row["height"]) for row in coarse["pages"]] == [(414, 585)]
    assert grids(coarse) == [(0, 0)]
    assert_refused(dsocr("totals", "--document", path, "--dpi", "-1"), "dpi: -1.0")


@pytest.mark.parametrize(("workload", "tokens"), [("tiny", 83), ("small", 121), ("base", 283), ("large", 431)])
def test_a_native_workload_cuts_no_crops(tmp_path: Path, workload: str, tokens: int) -> None:
    path = write_pdf(tmp_path / "a.pdf", (*A4, 0), (1000, 100, 0))
    found = bill(path, "--workload", workload)
    assert grids(found) == [(0, 0), (0, 0)]
    assert [row["prompt_tokens"] for row in found["pages"]] == [tokens, tokens]
    total = dict(evaluate_model(workload, WHOLE, details=True).total)
    assert [row["total"] for row in found["pages"]] == [total, total]
    assert_sums(found)


def test_a_workload_of_ones_own_says_what_becomes_of_a_page(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png", 1280, 640)
    workload = tmp_path / "mine.yaml"
    for document, expected in (("native", (0, 0)), ("crop", (2, 1))):
        workload.write_text(f"document: {document}\nset: {{text_tokens: 100}}\n", encoding="utf-8")
        found = bill(path, "--workload", workload)
        assert grids(found) == [expected]
        assert found["pages"][0]["prompt_tokens"] == found["pages"][0]["image_tokens"] + 100


def test_crops_of_another_size_change_the_choice(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png", 1000, 1000)
    assert grids(bill(path)) == [(2, 2)]
    assert grids(bill(path, "--set", "image_size=1024")) == [(2, 2)]
    assert grids(bill(path, "--set", "image_size=320")) == [(3, 3)]


@pytest.mark.parametrize(
    ("size", "image_size", "grid", "tokens"),
    [((600, 600), 512, (0, 0), 273), ((640, 1), 320, (0, 0), 273), ((900, 800), 1024, (2, 2), 1329)],
)
def test_640_pixels_decide_whether_a_page_is_cut(
    tmp_path: Path, size: tuple[int, int], image_size: int, grid: tuple[int, int], tokens: int
) -> None:
    found = bill(picture(tmp_path / "a.png", *size), "--set", f"image_size={image_size}")
    assert grids(found) == [grid]
    assert found["pages"][0]["image_tokens"] == tokens
    assert found["cutting"] == {"side": image_size, "uncut": 640, "least": 2, "most": 9}


# the most crops of a page


SERVED = (
    ("--max-crops", "6"),
    ("--set", "max_crops=6"),
    ("--workload", "gundam-served"),
)


@pytest.mark.parametrize("given", SERVED)
def test_servers_cut_fewer_crops(tmp_path: Path, given: tuple[str, str]) -> None:
    path = picture(tmp_path / "a.png", 1920, 1080)
    as_checkpoint, served = bill(path), bill(path, *given)
    assert [found["pages"][0]["image_tokens"] for found in (as_checkpoint, served)] == [1093, 483]
    assert [grids(found) for found in (as_checkpoint, served)] == [[(4, 2)], [(2, 1)]]
    assert [found["workload"]["max_crops"] for found in (as_checkpoint, served)] == [9, 6]
    text = [" ".join(dsocr("totals", "--document", path, *more).out.split()) for more in ((), given)]
    assert "at most 9 crops a page, as the checkpoint's infer()" in text[0]
    assert "at most 6 crops a page, as vLLM, SGLang" in text[1]


def test_a_workload_file_limits_crops_too(tmp_path: Path) -> None:
    workload = tmp_path / "mine.yaml"
    workload.write_text("set: {max_crops: 4}\n", encoding="utf-8")
    found = bill(picture(tmp_path / "a.png", 1920, 1080), "--workload", workload)
    assert grids(found) == [(2, 1)]
    text = dsocr("totals", "--document", tmp_path / "a.png", "--workload", workload).out
    assert "at most 4 crops a page\n" in text


@settings(max_examples=10, deadline=None)
@given(
    sizes=st.lists(st.tuples(st.integers(1, 3000), st.integers(1, 3000)), min_size=1, max_size=6),
    image_size=st.sampled_from([512, 640, 1024]),
    most=st.integers(2, 12),
)
def test_every_page_is_cut_as_the_network_would(sizes: list[tuple[int, int]], image_size: int, most: int) -> None:
    given_values = {"image_size": image_size, "max_crops": most}
    scenario = make_scenario(definition=default_definition(None), settings=given_values)
    scenario = evolve(scenario, workload=evolve(scenario.workload, values={}))
    result = make_bill(scenario, pages_of(sizes), details=False)
    for row, size in zip(result.rows, sizes, strict=True):
        columns, rows = reference_grid(*size, side=image_size, most=most)
        assert (row["crop_columns"], row["crop_rows"]) == (columns, rows)
        queries = image_size // 64
        # As the network writes them: a row of queries and a newline, and one view separator.
        written = len(([0] * 16 + [0]) * 16 + [0] + ([0] * (queries * columns) + [0]) * (queries * rows))
        assert row["image_tokens"] == written


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--max-crops", "1"), ("max_crops: 1 is less than 2",)),
        (("--max-crops", "0"), ("max_crops: 0 is less than 2",)),
        (("--max-crops", "x"), ("max_crops: 'x' is not a number",)),
        (("--max-crops", "2.5"), ("max_crops: 2.5 is not a whole number",)),
        (("--max-crops", "6", "--set", "max_crops=6"), ("--max-crops and --set max_crops", "one of them")),
        (("--max-crops", "6", "--layer", "vision/attention"), ("--max-crops", "a layer alone", "drop")),
        (("--max-crops", "5"), ("2 to 5 crops", "--max-crops", "--allow-any-grid", "crops = 6")),
        (("--workload", "gundam-served", "--set", "crop_rows=3"), ("2 to 6 crops", "crops = 9")),
    ],
)
def test_wrong_limits_are_refused(arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    assert_refused(dsocr("totals", *arguments), *words)


def test_a_limit_that_cuts_no_page_is_refused(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png", 9, 9)
    answer = dsocr("totals", "--document", path, "--workload", "base", "--max-crops", "6")
    assert_refused(answer, "max_crops: base cuts no page")
    answer = dsocr("totals", "--document", path, "--max-crops", "20000")
    assert_refused(answer, "20000 pieces of a page: at most 10000")


def test_scenarios_are_compared_by_their_limit() -> None:
    answer = dsocr("compare", "max_crops=9,crop_rows=3", "workload=gundam-served")
    assert (answer.status, answer.err) == (0, "")
    assert_refused(dsocr("compare", "max_crops=9", "max_crops=6,crop_rows=3"), "2 to 6 crops")


def test_choices_and_values_reach_every_page(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "a.pdf", (*A4, 0), (288, 288, 0))
    found = bill(path, "--attention", "eager", "--set", "new_tokens=3")
    for row, grid in zip(found["pages"], grids(found), strict=True):
        values = {**WHOLE, "crop_columns": grid[0], "crop_rows": grid[1], "new_tokens": 3}
        assert row["total"] == dict(evaluate_model("gundam", values, attention="eager", details=True).total)
    assert_sums(found)


# pages that cannot be read


def test_what_cannot_be_read_says_so_and_the_rest_is_counted(tmp_path: Path) -> None:
    good = picture(tmp_path / "a.png", 1280, 640)
    note = tmp_path / "b.png"
    note.write_text("no image", encoding="utf-8")
    secret = locked_pdf(tmp_path / "c.pdf")
    cut = tmp_path / "d.pdf"
    cut.write_bytes(write_pdf(tmp_path / "whole.pdf", (*A4, 0)).read_bytes()[:60])
    missing = tmp_path / "e.png"
    empty = tmp_path / "empty"
    empty.mkdir()
    said = f"dsocr: 5 of 7 pages cannot be read and are not counted, the first: {note}:1: not an image"
    found = bill(good, note, secret, cut, missing, empty, good, status=1, said=said)
    errors = [row["error"] for row in found["pages"]]
    assert errors[0] is errors[6] is None
    assert [bool(error) for error in errors] == [False, True, True, True, True, True, False]
    assert "not an image" in errors[1]
    assert "password" in errors[2]
    assert "No such file" in errors[4]
    assert "holds no image or PDF" in errors[5]
    for row in found["pages"][1:6]:
        assert (row["width"], row["height"]) == (None, None)
        assert "total" not in row
    assert found["total"]["forward_tensor_core_flops"] == 2 * expected_total(2, 1)["forward_tensor_core_flops"]
    assert_sums(found)

    text = dsocr("totals", "--document", *(row["path"] for row in found["pages"]))
    assert text.status == 1
    assert text.err.startswith(said)
    assert text.err.count("\n") == 1
    assert "5 of 7 pages cannot be read and are not counted" in text.out
    unfolded = " ".join(text.out.split())
    for error in filter(None, errors):
        assert str(error)[:20] in unfolded


def test_500_unreadable_pages_are_not_500_lines(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "a.pdf", *[(*A4, 0)] * 500)
    error = "248032 x 350788 pixels at 30000 dpi: Pillow decodes at most 178,956,970 pixels; lower --dpi"
    none = dsocr("totals", "--document", path, "--dpi", "30000")
    assert (none.status, none.out, none.err) == (1, "", f"dsocr: {path}:1-500: {error}\n")
    scans = [tmp_path / f"{number:02}.png" for number in range(30)]
    for scan in scans:
        scan.write_text("no image")
    good = picture(tmp_path / "good.png", 9, 9)
    partly = dsocr("totals", "--document", good, *scans)
    assert partly.err.startswith(f"dsocr: 30 of 31 pages cannot be read and are not counted, the first: {scans[0]}:1: ")
    text = " ".join(partly.out.split())
    assert text.count("not counted: ") == 11
    assert "not counted: and 20 more; --by page or --format json names all" in text
    every = "".join(dsocr("totals", "--document", good, *scans, "--by", "page").out.split())
    assert all(f"/{scan.name}:1:notanimage" in every for scan in scans)


@pytest.mark.parametrize("output", ["text", "json", "yaml", "csv", "markdown"])
def test_every_format_ends_with_1_if_a_page_cannot_be_read(tmp_path: Path, output: str) -> None:
    good, missing = picture(tmp_path / "a.png", 9, 9), tmp_path / "b.png"
    partly, whole = (dsocr("totals", "--document", *paths, "--format", output) for paths in ((good, missing), (good,)))
    assert (partly.status, whole.status) == (1, 0)
    assert "1 of 2 pages cannot be read and are not counted" in partly.err
    assert whole.err == ""
    assert str(missing) in "".join(partly.out.split())


def test_nothing_that_can_be_read(tmp_path: Path) -> None:
    answer = dsocr("totals", "--document", tmp_path, tmp_path / "missing.png")
    assert answer.status == 1
    lines = (answer.out + answer.err).splitlines()
    assert any(str(tmp_path) in line and "holds no image or PDF" in line for line in lines)
    assert any("missing.png" in line and "No such file" in line for line in lines)
    assert "Traceback" not in answer.err


@pytest.mark.parametrize("output", ["csv", "markdown"])
def test_every_format_has_a_row_per_page(tmp_path: Path, output: str) -> None:
    path = write_pdf(tmp_path / "a.pdf", (*A4, 0), (1000, 1000, 0))
    answer = dsocr("totals", "--document", path, "--format", output, "--by", "page")
    assert answer.status == 0
    # The path was typed, too.
    rows = [line for line in uncommented(answer.out).splitlines() if not line.startswith("dsocr ")]
    assert sum(str(path) in line for line in rows) == 2


def test_csv_of_a_document_is_its_pages_unless_other_rows_are_asked(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "a.pdf", (*A4, 0), (1000, 1000, 0))

    def rows(*more: str) -> list[dict[str, str]]:
        return list(
            csv.DictReader(io.StringIO(uncommented(dsocr("totals", "--document", path, "--format", "csv", *more).out)))
        )

    assert rows() == rows("--by", "page")
    assert [(row["page"], row["image_tokens"], row["prompt_tokens"]) for row in rows()] == [
        ("1", "903", "913"),
        ("2", "1203", "1213"),
    ]
    assert [row["stage"] for row in rows("--by", "stage")] == ["vision", "projector", "prefill", "decode"]
    assert [row["calls"] for row in rows("--by", "stage")][:2] == ["2", "2"]


def test_markdown_groups_pages_by_grid(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "a.pdf", *[(*A4, 0)] * 3, (1000, 1000, 0))
    lines = dsocr("totals", "--document", path, "--format", "markdown").out.splitlines()
    assert [line.split("|")[1:5] for line in lines if line.startswith(("| 3 |", "| 1 |"))] == [
        [" 3 ", " 2x3 ", " 903 ", " 913 "],
        [" 1 ", " 3x3 ", " 1203 ", " 1213 "],
    ]
    assert not any(str(path) in line for line in lines if not line.startswith("dsocr "))


@pytest.mark.parametrize("output", ["json", "yaml"])
def test_data_hold_pages_and_grids(tmp_path: Path, output: str) -> None:
    path = write_pdf(tmp_path / "a.pdf", *[(*A4, 0)] * 3, (1000, 1000, 0), (9, 9, 0))
    found = yaml.safe_load(dsocr("totals", "--document", path, "--format", output, *SETTINGS).out)
    assert [page["image_tokens"] for page in found["pages"]] == [903, 903, 903, 1203, 273]
    assert [(grid["image_tokens"], grid["pages"]) for grid in found["grids"]] == [(273, 1), (903, 3), (1203, 1)]
    for page in found["pages"]:
        (grid,) = (grid for grid in found["grids"] if grid["image_tokens"] == page["image_tokens"])
        assert page["total"] == grid["total"]
    assert found["left_out"] == {}


def test_pages_show_the_traffic_that_is_asked(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png", 1280, 640)
    found = bill(path, path, "--traffic", "fused")
    for page in found["pages"]:
        assert page["total"]["forward_io_bytes"] == page["total"]["forward_fused_io_bytes"]
    assert 2 * found["pages"][0]["total"]["forward_io_bytes"] == found["total"]["forward_io_bytes"]


# memory and latencies


def test_memory_is_that_of_the_largest_page(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "a.pdf", (9, 9, 0), (1000, 1000, 0), (*A4, 0))
    found = bill(path)
    alone = json.loads(
        dsocr("totals", "--format", "json", *SETTINGS, "--set", "crop_columns=3", "--set", "crop_rows=3").out
    )
    assert found["memory"] == alone["memory"]
    assert found["memory"]["largest_batch"] > 1
    text = " ".join(dsocr("totals", "--document", path).out.split())
    assert "memory of the largest page (crops 3x3): " in text
    assert "largest batch that fits: " in text


def test_latencies_run_from_the_shortest_page_to_the_longest(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "a.pdf", (1000, 1000, 0), (9, 9, 0), (*A4, 0))
    found = bill(path)
    for metric in ("ttft_s", "tpot_s"):
        seconds = [page["total"][metric] for page in found["pages"]]
        assert found["page_latencies"][metric] == {"least": min(seconds), "most": max(seconds)}
        assert min(seconds) == seconds[1] < seconds[2] < seconds[0] == max(seconds)
        assert found["total"][metric] is None
    text = " ".join(dsocr("totals", "--document", path).out.split())
    assert re.search(r"first token \(ttft\) of a page alone: [\d.]+ ms to [\d.]+ ms by forecast, 13.33 ms to ", text)
    assert "each further token (tpot) of a page alone: " in text
    none = bill(path, "--set", "new_tokens=0")
    assert "tpot_s" not in none["page_latencies"]


# what folders hold besides


@pytest.mark.parametrize("output", ["text", "json", "yaml", "csv", "markdown"])
def test_a_folder_says_what_it_left_out(tmp_path: Path, output: str) -> None:
    picture(tmp_path / "a.png", 9, 9)
    for name in ("b.txt", "c.TXT", "d.svg", "README"):
        (tmp_path / name).write_text("text")
    answer = dsocr("totals", "--document", tmp_path, "--format", output)
    assert answer.status == 0
    left_out = "dsocr: left out of folders, as neither images nor PDFs: .svg (1), .txt (2), no suffix (1)\n"
    assert answer.err == left_out
    if output in ("json", "yaml"):
        assert yaml.safe_load(answer.out)["left_out"] == {".txt": 2, ".svg": 1, "no suffix": 1}


def test_a_folder_of_nothing_else_says_so_too(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text")
    answer = dsocr("totals", "--document", tmp_path, "--format", "json")
    assert (answer.status, json.loads(answer.out)["left_out"]) == (1, {".txt": 1})
    assert ".txt (1)" in answer.err


# text


def test_text_has_a_row_per_page_and_the_sum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_pdf(Path("report.pdf"), (*A4, 0), (288, 288, 0))
    answer = dsocr("totals", "--document", "report.pdf", *SETTINGS, "--by", "page")
    assert (answer.status, answer.err) == (0, "")
    rows = {line.split()[0]: line.split()[1:] for line in answer.out.splitlines() if line}
    assert rows["report.pdf:1"][:4] == ["1191x1684", "2x3", "903", "913"]
    assert rows["report.pdf:2"][:4] == ["576x576", "none", "273", "283"]
    assert "2 pages, each a request of its own" in answer.out


def test_text_has_a_row_per_grid_and_the_sum(tmp_path: Path) -> None:
    """500 pages are not 500 rows."""
    path = write_pdf(tmp_path / "report.pdf", *[(*A4, 0)] * 499, (288, 288, 0))
    answer = dsocr("totals", "--document", path, *SETTINGS)
    assert (answer.status, answer.err) == (0, "")
    rows = {line.split()[0]: line.split()[1:] for line in answer.out.splitlines() if line}
    assert rows["499"][:3] == ["2x3", "903", "913"]
    assert rows["1"][:3] == ["none", "273", "283"]
    assert rows["prefill"][0] == "500"
    assert rows["decode"][0] == "256,000"
    assert len(answer.out.splitlines()) < 60
    assert "500 pages, each a request of its own" in answer.out


def test_pages_of_no_document_are_refused() -> None:
    assert_refused(dsocr("totals", "--by", "page"), "--by page", "--document")


def test_long_names_fold_and_keep_every_column(tmp_path: Path) -> None:
    path = picture(tmp_path / ("a" * 150 + ".png"), 2000, 2000)
    text = dsocr("totals", "--document", path, "--by", "page").out
    table = text[text.index("\npage") : text.index("\ntotal")].splitlines()
    assert max(map(len, table)) <= 100
    assert any("2000x2000   3x3" in line and line.endswith(" ms") for line in table)
    assert str(path) + ":1" in "".join(line.split()[0] for line in table if not line.startswith("page") and line)


# equal grids


def counted(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    calls: list[Any] = []
    once = dsocr_symbolic.questions.totals.bill.estimate

    def estimate(program: Any, values: Any, *more: Any) -> Estimate:
        calls.append(values)
        return once(program, values, *more)

    monkeypatch.setattr(dsocr_symbolic.questions.totals.bill, "estimate", estimate)
    return calls


def pages_of(sizes: Iterable[tuple[int, int]]) -> Iterator[PageSize]:
    for number, (width, height) in enumerate(sizes, start=1):
        yield PageSize(path="a.pdf", page=number, width=width, height=height, error=None)


@cache
def gundam() -> Scenario:
    return make_scenario(definition=default_definition(None), settings=WHOLE)


def test_equal_grids_are_evaluated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = counted(monkeypatch)
    sizes = [(1191, 1684), (1684, 1191), (1200, 1690), (100, 100), (640, 640)] * 400
    result = make_bill(gundam(), pages_of(sizes))
    assert len(calls) == 3
    rows = result.rows
    assert len(rows) == len(sizes)
    assert result.total is not None
    for flow in FLOWS:
        assert result.total.total[flow] == sum(row["total"][flow] for row in rows)


def test_a_native_workload_is_evaluated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = counted(monkeypatch)
    scenario = make_scenario(definition=default_definition(None), workload="large")
    make_bill(scenario, pages_of([(100, 100), (2000, 1000), (1000, 2000)]))
    assert len(calls) == 1


@settings(max_examples=15, deadline=None)
@given(sizes=st.lists(st.tuples(st.integers(1, 4000), st.integers(1, 4000)), min_size=1, max_size=12))
def test_the_sum_is_that_of_single_pages(sizes: list[tuple[int, int]]) -> None:
    result = make_bill(gundam(), pages_of(sizes))
    assert result.total is not None
    single = [expected_total(*crop_grid(*size)) for size in sizes]
    assert [each["total"] for each in result.rows] == single
    for flow in FLOWS:
        assert result.total.total[flow] == sum(each[flow] for each in single)
    for stock in ("parameters", "forward_weight_bytes", "forward_kv_cache_bytes"):
        assert result.total.total[stock] == max(each[stock] for each in single)


# what does not go with a document


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--set", "batch=2"), ("batch", "--document")),
        (("--set", "crop_columns=2"), ("crop_columns", "--document", "--set max_crops=N", "--workload large")),
        (("--set", "crop_rows=0"), ("crop_rows", "--document", "--set max_crops=N", "--workload large")),
        (("--set", "crops=4"), ("crops", "--document", "--set max_crops=N", "--workload large")),
        (("--layer", "vision/attention"), ("--layer", "--document")),
        (("--set", "image_size=100"), ("image_size is a multiple of 64",)),
        (("--attention", "sdpa"), ("'sdpa'",)),
    ],
)
def test_what_the_pages_decide_cannot_be_set(
    tmp_path: Path, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    path = picture(tmp_path / "a.png", 9, 9)
    assert_refused(dsocr("totals", "--document", path, *arguments), *words)


def test_batch_of_1_says_nothing_new(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png", 9, 9)
    assert bill(path, "--set", "batch=1")["total"] == bill(path)["total"]


@pytest.mark.usefixtures("impatient")
def test_progress_is_shown_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = list(pages_of([(9, 9)] * 3))
    for stream, shown in ((io.StringIO(), False), (Terminal(), True)):
        monkeypatch.setattr("sys.stderr", stream)
        assert list(tracked(pages, "pages")) == pages
        assert bool(stream.getvalue()) == shown


def test_pdf_made_by_pdfium_and_by_pillow(tmp_path: Path) -> None:
    document = pypdfium2.PdfDocument.new()
    for _ in range(30):
        document.new_page(*A4)
    document.save(str(tmp_path / "a.pdf"))
    document.close()
    picture(tmp_path / "b.pdf", 640, 320, resolution=72)
    found = bill(tmp_path)
    assert grids(found) == [(2, 3)] * 30 + [(2, 1)]
    assert_sums(found)
