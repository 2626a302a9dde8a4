"""How models, parts, functions and results show themselves: short lines, escaped HTML, well-formed Markdown."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from attrs import evolve
from markdown_it import MarkdownIt

from dsocr_symbolic import bounds, compare, load_model, sensitivity, solve
from dsocr_symbolic.writing.notebook import MathBlock, Page, TextGrid, as_html, as_markdown, shortened

MODEL = load_model()
CHANGED = load_model(attention="eager").what_if(**dict.fromkeys(("batch", "crops", "new_tokens"), 7))
EXPECTED = {
    "model": "<Model deepseek-ocr>",
    "part": "<Part prefill/layers.1-11/mlp/gate of deepseek-ocr>",
    "whole": "<Part the whole of deepseek-ocr>",
    "function": "<Compiled deepseek-ocr: parameters, roofline_s over batch, 5 parts, numpy>",
    "solution": "<Solution batch = 11: the largest that meets forward_kv_cache_bytes <= 1e9>",
    "every": "<Solution every batch that the model allows meets parameters <= 1e15>",
}


@pytest.fixture(scope="module")
def shown() -> dict[str, Any]:
    return {
        "model": MODEL,
        "changed": CHANGED,
        "part": MODEL["prefill/layers.1-11/mlp/gate"],
        "whole": MODEL[""],
        "deep": CHANGED[max(CHANGED.paths, key=len)],
        "function": MODEL.compile(["parameters", "roofline_s"], over=["batch"]),
        "constant": MODEL.compile("parameters", over=[], by="total"),
        "solution": solve("batch", "forward_kv_cache_bytes <= 1e9"),
        "every": solve("batch", "parameters <= 1e15"),
        "sensitivity": sensitivity("ttft_s", symbols=["batch", "vocab_size", "image_size"]),
        "part's": sensitivity("forward_io_bytes", part="decode", symbols=["batch"]),
        "bounds": bounds(only=["cache_passes_weights_held", "decode_compute_bound"]),
        "compare": compare("gpu=rtx5090", "gpu=h200,batch=8", "workload=base"),
        "nothing": compare("batch=1", "batch=1", metrics=["parameters"]),
    }


NAMES = [
    *(
        "model",
        "changed",
        "part",
        "whole",
        "deep",
        "function",
        "constant",
        "solution",
        "every",
        "sensitivity",
        "part's",
    ),
    *("bounds", "compare", "nothing"),
]


@pytest.mark.parametrize("name", NAMES)
def test_reprs_are_one_short_line(name: str, shown: dict[str, Any]) -> None:
    text = repr(shown[name])
    assert len(text) < 120
    assert "\n" not in text
    assert text.startswith(f"<{type(shown[name]).__name__} ")
    assert text.endswith(">")
    assert text == EXPECTED.get(name, text)


def test_reprs_say_what_differs_from_the_default() -> None:
    assert repr(CHANGED) == "<Model deepseek-ocr, attention eager, batch = 7, crops = 7, new_tokens = 7>"
    sized = evolve(MODEL, config=(("hidden_size", 640), ("vocab_size", 1000)))
    assert repr(sized) == "<Model deepseek-ocr, 2 sizes of a config.json>"


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.texts: list[str] = []
        self.widths: list[int] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:  # noqa: ARG002
        assert tag in ("p", "strong", "table", "thead", "tbody", "tr", "th", "td")
        self.open.append(tag)
        if tag == "tr":
            self.widths.append(0)
        if tag in ("th", "td"):
            self.widths[-1] += 1

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("part", "whole", "deep")])
def test_html_is_well_formed_and_says_what_markdown_says(name: str, shown: dict[str, Any]) -> None:
    tags = _Tags()
    tags.feed(shown[name]._repr_html_())
    assert tags.open == []
    words = "".join(tags.texts)
    html = MarkdownIt("commonmark").enable("table").render(shown[name]._repr_markdown_())
    plain = _Plain()
    plain.feed(html)
    assert "".join(words.split()) == "".join("".join(plain.texts).split())


class _Plain(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.texts: list[str] = []

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def _tables(markdown: str) -> list[list[list[str]]]:
    """Return the tables of a page as a Markdown parser sees them: rows of cells."""
    tables: list[list[list[str]]] = []
    for token in MarkdownIt("commonmark").enable("table").parse(markdown):
        if token.type == "table_open":
            tables.append([])
        elif token.type == "tr_open":
            tables[-1].append([])
        elif token.type == "inline" and token.level >= 4 and tables:
            tables[-1][-1].append("".join(child.content for child in token.children or ()))
    return tables


@pytest.mark.parametrize("name", NAMES)
def test_markdown_tables_are_well_formed(name: str, shown: dict[str, Any]) -> None:
    text = shown[name]._repr_markdown_()
    tables = _tables(text)
    assert len(tables) == len(re.findall(r"^\| :?---", text, re.MULTILINE))
    for table in tables:
        assert len({len(row) for row in table}) == 1
        assert len(table[0]) >= 2
    assert sum(map(len, tables)) == len(re.findall(r"^\|(?! :?---)", text, re.MULTILINE))


def test_what_looks_like_markup_is_text() -> None:
    evil = "<script>alert('a & b')</script> | *b* _c_ `d` [e](f) $g$ \\ # h\nnext"
    page = Page(
        head=evil,
        blocks=(evil, TextGrid(columns=("x", evil), rows=((evil, "1"), ("-", "+2.5 s"))), MathBlock(latex="a < b")),
    )
    html = as_html(page)
    assert "<script>" not in html
    assert html.count("&lt;script&gt;alert(&#x27;a &amp; b&#x27;)") == 4
    assert "$$a &lt; b$$" in html
    markdown = as_markdown(page)
    ((head, row, last),) = _tables(markdown)
    seen = " ".join(evil.split())
    assert (head[1], row[0], last) == (seen, seen, ["-", "+2.5 s"])
    rendered = MarkdownIt("commonmark").enable("table").render(markdown)
    assert not re.search(r"<(script|em|code|a|h1)\b", rendered)
    assert "$$\na < b\n$$" in markdown


def test_columns_of_numbers_alone_are_aligned_right() -> None:
    grid = TextGrid(
        columns=("name", "value", "mixed"), rows=(("a", "1.5 ms", "1"), ("b", "-", "at least 2"), ("c", "-3", "3"))
    )
    assert grid.sides == ("left", "right", "left")


def test_a_part_shows_class_calls_and_formula() -> None:
    part = MODEL["prefill/layers.1-11/mlp/gate"]
    text = part._repr_markdown_()
    assert r"class modeling\_deepseekv2.MoEGate" in text
    assert r"calls: (num\_hidden\_layers - first\_k\_dense\_replace)\*\[prompt\_tokens \> 0\]" in text
    formula = r"F_{TC} = 2 \, B \, D \, E \, S \, \left(L - L_d\right)"
    assert f"$$\n{formula}\n$$" in text
    assert part._repr_latex_() == rf"$\displaystyle {formula}$"
    assert len(MODEL[""]._repr_latex_()) < 100
    assert len(MODEL["vision"]._repr_markdown_()) < 1000


def test_nothing_but_the_shown_is_claimed() -> None:
    part = MODEL["vision"]
    for name in ("_repr_html_", "_repr_png_", "_ipython_display_", "__array__"):
        assert not hasattr(part, name)


@pytest.mark.parametrize(
    ("text", "short"),
    [("a b", "a b"), ("a\n  b", "a b"), ("abc, defg", "abc, defg"), ("abc, defgh", "abc ..."), ("x" * 20, "xxxxx ...")],
)
def test_long_lines_are_cut_behind_a_word(text: str, short: str) -> None:
    assert shortened(text, 9) == short
