"""What a person sees: tables that fit, add up, and stay plain where nobody looks."""

import re
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from conftest import Terminal
from PIL import Image
from test_cli import dsocr, main

from dsocr_symbolic.writing.amounts import scaled, seconds

Golden = Callable[[str, str], None]
VIEWS = ("total", "stage", "category", "layer", "operator")


def shown(*arguments: str | Path) -> str:
    answer = dsocr("totals", *arguments)
    assert (answer.status, answer.err) == (0, "")
    return answer.out


def table(text: str, head: str) -> list[str]:
    """Cut the table out of a page, head and total included."""
    lines = text.splitlines()
    first = next(number for number, line in enumerate(lines) if re.match(rf"{head} +calls ", line))
    cut = lines[first : lines.index("", first)]
    return [line for line in cut if not re.match(r"\d+ columns leave out|COLUMNS=", line)]


# goldens: pytest --update writes them


@pytest.mark.parametrize("view", VIEWS)
def test_gundam(golden: Golden, view: str) -> None:
    name = "totals-gundam.txt" if view == "stage" else f"totals-gundam-{view}.txt"
    golden(name, shown("--by", view))


def test_published_profile(golden: Golden) -> None:
    text = shown("--workload", "dsocr-standard-v1")
    golden("totals-dsocr-standard-v1.txt", text)
    assert "  set by workload dsocr-standard-v1: prompt_tokens 512 (its formula gives 693)\n" in text
    assert "the image alone needs 693" in " ".join(text.split())
    assert "set by" not in shown("--workload", "dsocr-standard-v2")


def test_markdown(golden: Golden) -> None:
    golden("totals-base.md", shown("--workload", "base", "--format", "markdown"))


def test_closed_forms(golden: Golden) -> None:
    golden("closed-form-base.txt", shown("--workload", "base", "--closed-form", "--set", "batch=1"))


def test_one_layer(golden: Golden) -> None:
    golden("totals-layer.txt", shown("--layer", "vision/image_encoder_vit", "--set", "batch=8"))


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("formula.txt", ("prefill/layers.1-11/self_attn",)),
        ("formula.tex", ("decode/layers.0/self_attn", "--metric", "forward_kv_cache_bytes", "--format", "latex")),
    ],
)
def test_formula(golden: Golden, name: str, arguments: tuple[str, ...]) -> None:
    golden(name, dsocr("formula", *arguments).out)


# form


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--workload", "large", "--set", "batch=64", "--gpu", "h100-pcie"),
        ("--set", "new_tokens=0"),
        ("--closed-form",),
    ],
)
def test_a_page_is_clean_text_of_100_columns(arguments: tuple[str, ...]) -> None:
    for view in VIEWS[:1] if "--closed-form" in arguments else VIEWS:
        text = shown("--by", view, *arguments)
        formulas = re.compile(r"  \w+ = ")
        assert [line for line in text.splitlines() if len(line) > 100 and not formulas.match(line)] == []
        assert not re.search(r"[ \t]+$", text, re.MULTILINE)
        assert text.endswith("\n")
        assert not text.endswith("\n\n")


@pytest.mark.parametrize("view", VIEWS)
def test_no_name_is_folded(view: str) -> None:
    lines = table(shown("--by", view), view)
    assert all(line.endswith("%") or (view == "operator" and "%" in line) for line in lines[1:])


def _count(text: str) -> float:
    return float(text.replace(",", ""))


@pytest.mark.parametrize("view", VIEWS[1:])
def test_columns_add_up(view: str) -> None:
    head, *rows, total = table(shown("--by", view), view)
    assert total.startswith("total ")
    for row in (*rows, total):
        assert len(row) == len(head)
    end = head.index(" ops") + len(" ops")
    launches = [_count(line[:end].split()[-1]) for line in (*rows, total)]
    assert sum(launches[:-1]) == launches[-1]
    shares = [float(re.findall(r"([\d.]+)%", line)[-1]) for line in (*rows, total)]
    assert shares[-1] == 100
    assert sum(shares[:-1]) == pytest.approx(100, abs=0.05 * len(rows))


def test_stages_stand_in_order_and_the_total_last() -> None:
    names = [line.split()[0] for line in table(shown(), "stage")]
    assert names == ["stage", "vision", "projector", "prefill", "decode", "total"]


def test_the_page_says_what_it_is() -> None:
    text = shown()
    assert "neither a bound nor a forecast" in " ".join(text.split())
    assert "2 per multiply-add" in text
    assert "GB = 1e9 bytes" in text
    assert "null in JSON" in text


def test_operators_stand_slowest_first() -> None:
    units = {"s": 1, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
    rows = table(shown("--by", "operator"), "operator")[1:-1]
    found = [re.findall(r"([\d.]+) (s|ms|us|ns) ", line)[0] for line in rows]
    times = [float(number) * units[unit] for number, unit in found]
    assert times == sorted(times, reverse=True)


# colour


def on_a_terminal(*arguments: str | Path) -> str:
    out = Terminal()
    with redirect_stdout(out), pytest.raises(SystemExit):
        main([str(each) for each in arguments])
    return out.getvalue()


@pytest.fixture
def document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str | Path, ...]:
    """Ask for a page that is there and one that is not: its row is red."""
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.chdir(tmp_path)
    Image.new("L", (8, 8)).save("a.png")
    return ("totals", "--by", "page", "--document", "a.png", "missing.png")


COLOUR = re.compile(r"\x1b\[(\d+;)*(3|4|9|10)\d")


def test_colour_on_a_terminal(document: tuple[str | Path, ...]) -> None:
    assert COLOUR.search(on_a_terminal(*document))


def test_no_colour_if_the_user_wants_none(document: tuple[str | Path, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    text = on_a_terminal(*document)
    assert "missing.png" in text
    assert not COLOUR.search(text)


def test_no_codes_when_nobody_looks(document: tuple[str | Path, ...]) -> None:
    for arguments in (
        document,
        ("totals", "--by", "layer"),
        ("gpus",),
        ("symbols", "--metrics"),
        ("formula", "prefill"),
    ):
        assert "\x1b" not in dsocr(*arguments).out


@pytest.mark.parametrize("output", ["json", "yaml", "csv", "markdown"])
def test_formats_for_machines_are_never_coloured(document: tuple[str | Path, ...], output: str) -> None:
    assert "\x1b" not in on_a_terminal(*document, "--format", output)


def test_a_wide_terminal_is_used(document: tuple[str | Path, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    *_, path, missing = document
    long = Path(path).rename(Path(path).with_name("a" * 100 + ".png"))
    monkeypatch.setenv("COLUMNS", "400")
    plain = re.sub(r"\x1b\[[\d;]*m", "", on_a_terminal("totals", "--by", "page", "--document", long, missing))
    assert f"{long}:1" in plain


# numbers


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (0, "B", "0 B"),
        (0, "", "0"),
        (999, "B", "999 B"),
        (1000, "B", "1 kB"),
        (6_672_212_480, "B", "6.672 GB"),
        (3_464_378_155_008, "", "3.464 T"),
        (123_456, "", "123.5 k"),
        (2e18, "B", "2000 PB"),
    ],
)
def test_decimal_prefixes(value: float, unit: str, expected: str) -> None:
    assert scaled(value, unit) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, "0 s"), (1, "1 s"), (0.4287, "428.7 ms"), (9.7e-5, "97 us"), (2.29e-9, "2.29 ns"), (3600, "3600 s")],
)
def test_times(value: float, expected: str) -> None:
    assert seconds(value) == expected


# a terminal


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")


def without_codes(text: str) -> str:
    return re.sub(r"\x1b\[[\d;]*m", "", text)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("no_color", [None, "1"])
@pytest.mark.usefixtures("terminal")
def test_a_terminal_shows_the_same_text(view: str, no_color: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """With colour and without, on 80 columns too: 100 columns, the same words."""
    if no_color:
        monkeypatch.setenv("NO_COLOR", no_color)
    text = on_a_terminal("totals", "--by", view)
    assert "\x1b[1m" in text  # bold is no colour
    assert without_codes(text) == shown("--by", view)
    assert not (no_color and COLOUR.search(text))


@pytest.mark.usefixtures("terminal")
def test_an_empty_wish_for_no_colour_is_none(document: tuple[str | Path, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "")
    assert COLOUR.search(on_a_terminal(*document))


@pytest.mark.usefixtures("terminal")
def test_a_dumb_terminal_gets_no_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert "\x1b" not in on_a_terminal("totals")


def test_forced_colour_is_for_terminals_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b" not in dsocr("totals").out
