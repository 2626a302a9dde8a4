"""``dsocr tree``: every node in its place with its cost, on any terminal."""

import io
import re
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from conftest import Terminal, evaluate_model
from test_cli import assert_refused, dsocr, main

from dsocr_symbolic.writing.amounts import cell

COLOUR = re.compile(r"\x1b\[(\d+;)*(3|4|9|10)\d")
GUIDE = re.compile(r"^([│├└─ |`-]*)(\S+)( \+)? ")


def rows(*arguments: str | Path) -> list[str]:
    """Return the lines of the tree, the total left out."""
    answer = dsocr("tree", *arguments)
    assert (answer.status, answer.err) == (0, "")
    lines = answer.out.splitlines()
    first = next(place for place, line in enumerate(lines) if re.match(r"node +calls ", line))
    last = next(place for place, line in enumerate(lines) if line.startswith("total "))
    return lines[first + 1 : last]


def paths(lines: list[str]) -> list[str]:
    """Read the path of each node from where it stands."""
    found: list[str] = []
    above: list[str] = []
    for line in lines:
        match = GUIDE.match(line)
        assert match, line
        level = len(match.group(1)) // 3
        above = [*above[:level], match.group(2)]
        found.append("/".join(above))
    return found


@pytest.mark.parametrize("depth", [1, 2, 3, 5, 9])
def test_every_node_stands_in_its_place(depth: int) -> None:
    nodes = [node.row.path for node in evaluate_model().nodes]
    assert paths(rows("--depth", str(depth))) == [path for path in nodes if path.count("/") < depth]


def test_three_levels_are_shown_by_default() -> None:
    assert rows() == rows("--depth", "3")


def test_a_node_says_whether_more_is_below() -> None:
    nodes = {node.row.path for node in evaluate_model().nodes}
    lines = rows("--depth", "2")
    for path, line in zip(paths(lines), lines, strict=True):
        more = any(other.startswith(f"{path}/") for other in nodes) and path.count("/") == 1
        assert (" + " in line) == more, line
    assert not any(" + " in line for line in rows("--depth", "20"))


def test_numbers_are_those_of_the_estimate() -> None:
    result = evaluate_model()
    lines = rows("--depth", "20")
    columns = (
        *("forward_tensor_core_flops", "forward_io_bytes", "forward_activation_bytes"),
        *("device_s", "wall_s", "roofline_s"),
    )
    for node, line in zip(result.nodes, lines, strict=True):
        share = node.metrics["device_s"] / result.total["device_s"]
        shown = [cell(each, node.metrics[each], 3) for each in columns] if node.calls else ["-"] * 6
        expected = [f"{node.calls:,}", *shown, f"{share:.1%}" if node.calls else "-"]
        assert " ".join(GUIDE.sub("", line).split()) == " ".join(expected)


@pytest.mark.parametrize(
    "arguments",
    [(), ("--depth", "20"), ("--workload", "large", "--set", "batch=64", "--depth", "20"), ("--set", "new_tokens=0")],
)
def test_a_page_is_clean_text_of_100_columns(arguments: tuple[str, ...]) -> None:
    text = dsocr("tree", *arguments).out
    assert max(map(len, text.splitlines())) <= 100
    assert not re.search(r"[ \t]+$", text, re.MULTILINE)
    assert "\x1b" not in text
    assert "neither a bound nor a forecast" in " ".join(text.split())


def test_golden(golden: Callable[[str, str], None]) -> None:
    golden("tree-gundam.txt", dsocr("tree", "--depth", "2").out)


def test_questions_are_those_of_totals() -> None:
    assert rows("--attention", "eager") != rows()
    assert "h200" in dsocr("tree", "--gpu", "h200").out.lower()
    assert paths(rows("--layer", "deepseek_v2_mlp", "--depth", "1")) == ["deepseek_v2_mlp"]
    assert_refused(dsocr("tree", "--depth", "0"), "--depth")
    assert_refused(dsocr("tree", "--depth", "deep"), "--depth")
    assert_refused(dsocr("tree", "--workload", "gundamm"), "did you mean gundam")


class UnicodeTerminal(Terminal):
    encoding = "utf-8"


class PlainTerminal(Terminal):
    encoding = "iso-8859-1"


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")

    def shown(out: io.StringIO) -> str:
        with redirect_stdout(out), pytest.raises(SystemExit):
            main(["tree"])
        return out.getvalue()

    return shown


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[\d;]*m", "", text)


def test_colour_on_a_terminal_and_the_same_text(terminal: Any) -> None:
    text = terminal(UnicodeTerminal())
    assert COLOUR.search(text)
    assert plain(text) == dsocr("tree").out


def test_no_colour_if_the_user_wants_none(terminal: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    text = terminal(UnicodeTerminal())
    assert not COLOUR.search(text)
    assert plain(text) == dsocr("tree").out


def test_no_colour_where_the_terminal_has_none(terminal: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert "\x1b" not in terminal(UnicodeTerminal())


def test_a_terminal_without_unicode_gets_ascii(terminal: Any) -> None:
    text = plain(terminal(PlainTerminal()))
    assert text.isascii()
    assert "`- global" in text


def test_a_part_is_the_tree_below_it() -> None:
    nodes = [node.row.path for node in evaluate_model().nodes]
    below = "prefill/layers.1-11/mlp"
    for path in (below, f"{below}/", f"/{below}"):
        lines = rows(path, "--depth", "20")
        assert lines[0].startswith(f"{below} ")
        found = [below, *(f"{below}/{name}" for name in paths(["x" + lines[0].removeprefix(below), *lines[1:]])[1:])]
        assert [name.replace("/x/", "/") for name in found] == [
            node for node in nodes if node == below or node.startswith(f"{below}/")
        ]
    assert len(rows(below, "--depth", "1")) == 1
    assert rows("total") == rows()
    # The numbers that layers have here name them as well.
    assert rows("prefill/layers.1-2", "--set", "num_hidden_layers=3") == rows(
        "prefill/layers.1-11", "--set", "num_hidden_layers=3"
    )
    assert_refused(dsocr("tree", "prefill/layers.1-11/mpl"), "unknown part", f"did you mean {below}")
