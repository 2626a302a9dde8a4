"""Names are text: brackets and colons in them are no markup, and nothing in them ends a line or commands a terminal."""

from contextlib import redirect_stderr
from pathlib import Path

import pytest
from conftest import Terminal
from PIL import Image
from rich.text import Text
from test_cli import dsocr

from dsocr_symbolic.errors import one_line
from dsocr_symbolic.paths import data_folders
from dsocr_symbolic.writing.terminal import on_terminal, progress, table, tracked

NAMES = ("scan [final].png", ":smile:.png", "a[/b].png", "[red]x[/red].png", "[/].png", r"back\[slash].png")


@pytest.mark.parametrize("name", NAMES)
def test_a_cell_and_a_title_are_shown_as_they_are(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    made = table(name, f">{name}")
    made.add_row(name, "1")
    made.add_row(Text(name), "2", style="red")
    assert on_terminal(made).count(name) == 4


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("name", NAMES)
def test_progress_shows_names_as_they_are(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    with redirect_stderr(Terminal()) as terminal:
        assert list(tracked([1, 2], name, 2)) == [1, 2]
        with progress("", 1) as advance:
            advance(f"then {name}")
    assert name in terminal.getvalue()
    assert f"then {name}" in terminal.getvalue()


def test_pages_of_any_name_are_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    unprintable = {"new\nline.png": r"new\nline.png", "e\x1b[31m.png": r"e\x1b[31m.png"}
    for name in (*NAMES, *unprintable):
        Path(name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (800, 600)).save(name)
    Path("bro[ken].png").write_text("x")
    answer = dsocr("totals", "--document", ".", "--by", "page")
    rows = [line.rpartition(":1 ")[0].strip() for line in answer.out.splitlines() if ".png:1 " in line]
    assert sorted(rows) == sorted([*NAMES, *unprintable.values()])
    assert answer.err == (
        "dsocr: 1 of 9 pages cannot be read and are not counted, the first: "
        "bro[ken].png:1: not an image or PDF, or cut off in its header\n"
    )
    assert answer.status == 1


def test_a_machine_of_any_name_is_in_every_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    (tmp_path / "hardware").mkdir()
    mine = tmp_path / "hardware" / "l4 [mine].yaml"
    text = (data_folders("hardware")[-1] / "l4.yaml").read_text(encoding="utf-8")
    title = next(line for line in text.splitlines() if line.startswith("title:"))
    mine.write_text(text.replace(title, "title: 'L4 [/b] :smile: [bold]'"), encoding="utf-8")
    assert "L4 [/b] :smile: [bold]" in dsocr("totals", "--gpu", mine).out
    assert "l4 [mine]" in dsocr("sweep", "--vary", f"gpu=l4,{mine}", "--metric", "parameters").out
    monkeypatch.setenv("DSOCR_PATH", str(tmp_path))
    listed = dsocr("gpus").out
    assert "l4 [mine]" in listed
    assert "[/b] :smile:" in listed
    assert "l4 [mine]" in dsocr("compare", "gpu=l4", "gpu=l4 [mine]").out


@pytest.mark.parametrize("command", [("symbols",), ("symbols", "--metrics"), ("layers",), ("workloads",), ("models",)])
def test_listings_show_no_escapes(command: tuple[str, ...]) -> None:
    assert "\\[" not in dsocr(*command).out


@pytest.mark.parametrize(
    "arguments",
    [
        ("totals", "--gpu", "no\nsuch[/red]"),
        ("totals", "--workload", "no\nsuch[/red]"),
        ("totals", "--set", "no\nsuch[/red]=1"),
        ("totals", "--model", "no\nsuch[/red]"),
        ("totals", "--layer", "no\nsuch[/red]"),
        ("sweep", "--vary", "batch=1:2", "--metric", "no\nsuch[/red]"),
        ("solve", "no\nsuch[/red]", "batch >= 1"),
        ("totals", "--document", "no\nsuch[/red]"),
        ("no\nsuch[/red]",),
    ],
)
def test_what_is_not_known_is_one_line_that_shows_it(arguments: tuple[str, ...]) -> None:
    answer = dsocr(*arguments)
    assert answer.status in (1, 2)
    assert answer.err.count("\n") == 1
    assert r"no\nsuch[/red]" in answer.err


def test_what_is_no_text_is_spelled_out() -> None:
    assert one_line("bad\udcff \x1b[0m\r\né [x]") == r"bad\udcff \x1b[0m\r\né [x]"
