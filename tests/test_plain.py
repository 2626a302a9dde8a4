"""A plain table is, letter by letter, what rich prints of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from dsocr_symbolic.writing import plain, terminal

_LETTERS = st.sampled_from("abz019 .,/_-%~?éΔ\u00d7├─\u2502")
_CELLS = st.text(_LETTERS, max_size=9)


@st.composite
def _tables(draw: st.DrawFn) -> plain.PlainTable:
    titles = draw(st.lists(st.text(st.sampled_from("ab /"), max_size=6), min_size=1, max_size=4))
    made = plain.PlainTable(gap=draw(st.integers(1, 2)), show_header=draw(st.booleans()))
    for title in titles:
        justify = "right" if draw(st.booleans()) else "left"
        made.columns.append(plain.PlainColumn(header=title, justify=justify, no_wrap=draw(st.booleans())))
    # Rich cannot draw a table in which nothing stands.
    made.add_row("x" * len(titles))
    for _ in range(draw(st.integers(0, 4))):
        made.add_row(*draw(st.lists(_CELLS, min_size=len(titles), max_size=len(titles))))
    return made


@given(_tables())
def test_a_plain_table_is_that_of_rich(made: plain.PlainTable) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "120")
        if made.width is not None:
            assert terminal.natural_width(made) == terminal.natural_width(terminal._rich(made))
            assert terminal.on_terminal(made) == terminal.on_terminal(terminal._rich(made))


def test_letters_that_are_taken_for_narrow_are() -> None:
    for code in range(0x2FFF):
        if code not in (0x0A, 0xAD) and plain._NARROW.fullmatch(chr(code)):
            assert cell_len(chr(code)) == 1, hex(code)


def test_who_asks_for_colours_gets_rich(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(terminal.table("a"), plain.PlainTable)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert not isinstance(terminal.table("a"), plain.PlainTable)
    assert not isinstance(terminal.coloured(("a", "red"), ("b", "")), str)
