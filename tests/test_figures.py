"""The figures of a report: readable SVG, nothing on anything else, the same on every run."""

import itertools
import re
from typing import Any
from xml.etree import ElementTree as ET

import matplotlib as mpl
import pytest
from figure_boxes import faults
from hypothesis import given, settings
from hypothesis import strategies as st
from test_performance import numbers_of, scenario
from test_performance_report import files_of

from dsocr_symbolic.language.lookup import find_definition
from dsocr_symbolic.reports.performance import figure_operators, figure_style
from dsocr_symbolic.reports.performance.figure_labels import Rectangle, Room, apart, around, ranges
from dsocr_symbolic.reports.performance.figures import Figure
from dsocr_symbolic.reports.performance.numbers import performance
from dsocr_symbolic.reports.performance.report import report_files
from dsocr_symbolic.scenario.scenario import make_scenario
from dsocr_symbolic.writing.lettering import shortened
from dsocr_symbolic.writing.svg import style

_MOVES = re.compile(r"(rotate|translate)\(([^)]*)\)")
SVG = "{http://www.w3.org/2000/svg}"


def pieces(text: str) -> list[tuple[float, float, float, str]]:
    """Return left, right and height of every level piece of text, its width guessed, and the text."""
    found = []
    for each in ET.fromstring(text).iter(f"{SVG}text"):  # noqa: S314 - made by us
        moves = {
            kind: [float(number) for number in numbers.split()]
            for kind, numbers in _MOVES.findall(each.get("transform", ""))
        }
        if moves.get("rotate", [0])[0] != 0:
            continue
        style, words = each.get("style", ""), "".join(each.itertext())
        size = re.search(r"font(?:-size)?: (?:\w+ )?([\d.]+)px", style)
        assert size, style
        anchor = re.search(r"text-anchor: (\w+)", style)
        wide = 0.52 * float(size.group(1)) * len(words)
        before = {"middle": wide / 2, "end": wide}.get(anchor.group(1) if anchor else "start", 0.0)
        x, y = moves.get("translate") or (float(each.get("x", "nan")), float(each.get("y", "nan")))
        found.append((x - before, x - before + wide, y, words))
    return found


@pytest.mark.parametrize("name", tuple(Figure))
def test_a_figure_is_svg_with_text_inside_its_edges(name: str) -> None:
    text = files_of("gundam")[f"{name}.svg"]
    root = ET.fromstring(text)  # noqa: S314 - made by us
    *_, width, height = (float(each) for each in root.get("viewBox", "").split())
    assert root.find(f"{SVG}title") is not None
    level = pieces(text)
    assert len(level) > 5
    for left, right, y, words in level:
        assert left >= -1, words
        assert right <= width + 1, words
        assert 0 < y < height, words


@pytest.mark.parametrize("name", tuple(Figure))
def test_no_text_of_a_figure_lies_on_another(name: str) -> None:
    level = pieces(files_of("gundam")[f"{name}.svg"])
    for place, (left, right, y, words) in enumerate(level):
        for other_left, other_right, other_y, other in level[:place]:
            if abs(y - other_y) < 4.5:
                assert right - other_left < 2 or other_right - left < 2, (words, other)


@pytest.mark.parametrize("name", tuple(Figure))
def test_figures_hold_no_date_and_no_version(name: str) -> None:
    text = files_of("gundam")[f"{name}.svg"]
    assert not re.search(r"\b20\d\d-\d\d|matplotlib v|Matplotlib v", text)
    assert not re.search(r"<[^>]*\d\.\d{3}", text)


def test_figures_are_the_same_whatever_the_user_s_settings() -> None:
    with mpl.rc_context({"font.size": 20, "svg.fonttype": "path", "axes.facecolor": "red"}):
        again = report_files(scenario(), "dsocr report --out DIR")
    assert again == files_of("gundam")


def test_stages_have_colours_of_their_own_in_every_figure() -> None:
    colours = figure_style.stage_colours(stage.name for stage in numbers_of("gundam").stages)
    assert len(set(colours.values())) == len(colours)
    assert not set(colours.values()) & {*figure_style.category_colours().values(), figure_style.REST}
    for name in ("time", "crops"):
        assert all(colour in files_of("gundam")[f"{name}.svg"] for colour in colours.values())


def test_every_launched_operator_stands_in_the_roofline_of_operators() -> None:
    numbers = numbers_of("gundam")
    launched = [node for node in numbers.result.nodes if node.row.aten and node.calls and node.metrics["device_s"]]
    drawn = figure_operators.operators(numbers)
    assert sorted(node.label or node.row.path for node in launched) == sorted(operator.name for operator in drawn)
    assert sum(operator.seconds for operator in drawn) == pytest.approx(
        sum(node.metrics["device_s"] for node in launched)
    )
    counts = re.findall(r"([\d,]+) operators with", files_of("gundam")["operators.svg"])
    assert sum(int(count.replace(",", "")) for count in counts) == len(drawn)


def test_operators_of_other_networks_are_drawn_without_a_fault() -> None:
    for name in ("llama", "mixtral"):
        numbers = performance(make_scenario(definition=find_definition(name), choices={"execution": "served"}))
        with style():
            assert faults(figure_operators.draw(numbers)) == []


circles = st.tuples(st.floats(0, 200), st.floats(0, 200), st.floats(1, 12))


@settings(deadline=None, max_examples=30)
@given(dots=st.lists(circles, min_size=1, max_size=8), wide=st.floats(4, 60))
def test_a_label_finds_a_place_where_nothing_is(dots: list[Any], wide: float) -> None:
    paper = Rectangle(left=-60, bottom=-60, right=260, top=260)
    room = Room(inside=paper, circles=tuple(dots), lines=(((-60.0, 100.0), (260.0, 100.0)),))
    size = (wide, 8.0)
    labels = [around(spot, size) for spot in room.place([(dot, size) for dot in dots])]
    for place, label in enumerate(labels):
        assert paper.holds(label)
        assert not any(map(label.meets_circle, dots))
        assert not any(map(label.meets, labels[:place]))
        assert not label.meets_line((-60.0, 100.0), (260.0, 100.0))


@given(heights=st.lists(st.floats(0, 100), min_size=1, max_size=9))
def test_names_of_lines_stand_apart_in_the_same_order(heights: list[float]) -> None:
    moved = apart(heights, 10, 0, 100)
    assert all(0 <= height <= 100 for height in moved)
    for one, other in itertools.combinations(range(len(heights)), 2):
        assert abs(moved[one] - moved[other]) >= 10 - 1e-9
        assert (moved[one] < moved[other]) == (heights[one] <= heights[other]) or heights[one] == heights[other]


@given(st.lists(st.integers(1, 40), min_size=1, unique=True).map(sorted))
def test_numbers_in_a_row_are_written_as_a_range(numbers: list[int]) -> None:
    said: list[int] = []
    for piece in ranges(numbers).split(", "):
        first, _, last = piece.partition("\u2013")
        said += range(int(first), int(last or first) + 1)
    assert said == numbers
    assert ranges([1, 2, 4, 5, 6, 9]) == "1, 2, 4\u20136, 9"


@given(st.floats(1e-9, 1e12), st.floats(1.5, 1e6))
def test_ticks_of_a_scale_lie_on_it(least: float, factor: float) -> None:
    ticks = figure_style.log_ticks(least, least * factor)
    assert all(least <= tick <= least * factor for tick in ticks)
    assert ticks == sorted(ticks)


@given(st.lists(st.text("ab", min_size=1, max_size=12), min_size=1, max_size=8), st.integers(5, 40))
def test_a_shortened_path_keeps_its_ends(parts: list[str], most: int) -> None:
    path = "/".join(parts)
    short = shortened(path, most)
    assert short == path or "\N{HORIZONTAL ELLIPSIS}" in short
    assert len(short) <= len(path) or len(path) > most
    assert (short.split("/")[0], short.split("/")[-1]) == (parts[0], parts[-1])
