"""What is kept between starts is what would be made now, and is made anew where it is another's, old or damaged."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsocr_symbolic import records
from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.evaluation import formulas, program
from dsocr_symbolic.evaluation.answer import answer, scenario_program
from dsocr_symbolic.evaluation.estimate import estimate
from dsocr_symbolic.evaluation.generated import compile_function, part_source
from dsocr_symbolic.evaluation.program import run_memory, run_program
from dsocr_symbolic.language import file_digests, read_objects, strict_yaml
from dsocr_symbolic.language.expression import Expression, evaluate, names, parse
from dsocr_symbolic.language.lookup import default_definition, layer_definition
from dsocr_symbolic.network.per_row import RowByRow
from dsocr_symbolic.questions.capacity import moments_of
from dsocr_symbolic.reports.formulas import page
from dsocr_symbolic.reports.formulas.places import Places, lay_out
from dsocr_symbolic.scenario.scenario import Scenario, make_scenario, scenario_values

SECOND = 10**9


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DSOCR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


class Maker:
    """Makes something, and counts how often."""

    def __init__(self, made: Any) -> None:
        self.made, self.times = made, 0

    def __call__(self) -> Any:
        self.times += 1
        return self.made


@pytest.fixture(scope="module")
def layer() -> Scenario:
    return make_scenario(definition=default_definition(None), layer="core/layer_norm")


# What JSON holds -----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("cache")
def test_what_was_kept_is_made_once_for_each_key() -> None:
    make = Maker({"numbers": [1, 2.5, None], "text": "é"})
    assert [program.kept("a" * 32, make) for _ in range(3)] == [make.made] * 3
    assert make.times == 1
    program.kept("b" * 32, make)
    assert make.times == 2


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "truncated": lambda data: data[:-1],
    "a byte changed": lambda data: data[:-2] + bytes([data[-2] ^ 1]) + data[-1:],
    "no text": lambda data: data + b"\xff",
    "another key": lambda data: data.replace(b"a" * 32, b"b" * 32),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_what_is_damaged_is_made_anew(cache: Path, damage: Callable[[bytes], bytes]) -> None:
    make = Maker([1, 2, 3])
    program.kept("a" * 32, make)
    path = cache / f"{'a' * 32}.json"
    path.write_bytes(damage(path.read_bytes()))
    assert program.kept("a" * 32, make) == [1, 2, 3]
    assert make.times == 2
    program.kept("a" * 32, make)
    assert make.times == 2


def test_a_folder_that_cannot_be_written_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("DSOCR_CACHE", str(tmp_path / "file" / "below"))
    make = Maker("made")
    assert [program.kept("a" * 32, make) for _ in range(2)] == ["made"] * 2
    assert make.times == 2


@pytest.mark.usefixtures("cache")
def test_what_stands_for_a_file_is_neither_kept_nor_recalled(tmp_path: Path) -> None:
    make = Maker("of the file")
    program.kept("a" * 32, make)
    with strict_yaml.standing_in(tmp_path / "a.yaml", {}):
        assert program.kept("a" * 32, lambda: "of what stands for it") == "of what stands for it"
    assert program.kept("a" * 32, make) == "of the file"
    assert make.times == 1


@pytest.mark.usefixtures("cache")
def test_what_follows_from_formulas_is_made_once_for_each_question() -> None:
    whole = default_definition(None)
    alone = layer_definition(whole, "core/layer_norm")
    eager, flash = (("attention", "eager"),), (("attention", "flash"),)
    questions = [(whole, eager, "one"), (whole, eager, "two"), (whole, flash, "one"), (alone, eager, "one")]
    makers = [Maker(place) for place in range(len(questions))]
    for _ in range(2):
        assert [formulas.made_once(*question, make) for question, make in zip(questions, makers, strict=True)] == [
            *range(len(questions))
        ]
    assert [make.times for make in makers] == [1] * len(questions)


@pytest.mark.usefixtures("cache")
def test_symbols_are_those_of_the_formulas(layer: Scenario) -> None:
    definition, options = layer.definition, tuple(sorted(layer.options.items()))
    asked = [("forward_io_bytes", ""), ("parameters", "")]
    expected = {
        str(symbol)
        for metric, path in asked
        for symbol in formulas.expression_at(definition, options, path, metric).free_symbols
    }
    for _ in range(2):
        assert formulas.symbols_at(definition, options, asked) == expected != set()


@pytest.mark.usefixtures("cache")
def test_pages_are_written_once(monkeypatch: pytest.MonkeyPatch, places: Places) -> None:
    make = Maker([("a.md", "text\n"), ("index.md", "é\n")])
    monkeypatch.setattr(page, "written_pages", lambda _: make())
    assert [list(page.rendered_pages(places)) for _ in range(2)] == [make.made] * 2
    assert make.times == 1


@pytest.mark.usefixtures("cache")
def test_pages_that_nobody_read_to_the_end_are_not_kept(monkeypatch: pytest.MonkeyPatch, places: Places) -> None:
    make = Maker([("a.md", "text\n"), ("index.md", "é\n")])
    monkeypatch.setattr(page, "written_pages", lambda _: make())
    next(iter(page.rendered_pages(places)))
    assert list(page.rendered_pages(places)) == make.made
    assert make.times == 2


@pytest.fixture(scope="module")
def places() -> Places:
    return lay_out(make_scenario(definition=default_definition(None)))


# What was read -------------------------------------------------------------------------------------------------------


@pytest.fixture
def restart(monkeypatch: pytest.MonkeyPatch, cache: Path) -> Callable[[], None]:
    """Return what begins another start, in which nothing was read yet."""

    def begin() -> None:
        for name in ("_TOGETHER", "_APART"):
            for place in ("known", "asked"):
                getattr(getattr(read_objects, name), place).clear()
        read_objects._WAITING.clear()
        read_objects.recall_objects(["words"])

    for name in ("_TOGETHER", "_APART"):
        monkeypatch.setattr(read_objects, name, read_objects._Kept())
    monkeypatch.setattr(read_objects, "_WAITING", {})
    monkeypatch.setattr(read_objects, "_MOST", {id(read_objects._TOGETHER): 64, id(read_objects._APART): 1000})
    assert not cache.exists()
    begin()
    return begin


@pytest.mark.parametrize("apart", [False, True])
def test_files_are_read_once_for_each_content(restart: Callable[[], None], tmp_path: Path, apart: bool) -> None:
    path = tmp_path / "file"
    path.write_text("one")
    one, two = Maker(parse("batch + 1", "")), Maker(parse("batch + 2", ""))

    def read(make: Maker) -> Any:
        return read_objects.read_as("kind", [path], make, apart=apart)

    for _ in range(3):
        assert read(one) == one.made
        read_objects.keep_objects()
        restart()
    path.write_text("two")
    assert read(two) == two.made
    read_objects.keep_objects()
    restart()
    assert read(two) == two.made
    assert read_objects.read_as("other kind", [path], one, apart=apart) == one.made
    assert (one.times, two.times) == (2, 1)


class Canary:
    """Leaves a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


SPOILED: dict[str, Callable[[Path], Any]] = {
    "open to others": lambda path: path.chmod(0o666),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "a link": lambda path: (path.rename(path.with_name("else")), path.symlink_to(path.with_name("else"))),
}


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="no file has an owner here, and none is trusted")
@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED.keys())
@pytest.mark.parametrize("apart", [False, True])
def test_what_may_be_anothers_is_never_unpickled(
    restart: Callable[[], None], cache: Path, tmp_path: Path, apart: bool, spoil: Callable[[Path], Any]
) -> None:
    source, make = tmp_path / "file", Maker("made")
    source.write_text("text")
    read_objects.read_as("kind", [source], make, apart=apart)
    read_objects.keep_objects()
    (path,) = cache.iterdir()
    key = next(iter((read_objects._APART if apart else read_objects._TOGETHER).known))
    evil = pickle.dumps(Canary(tmp_path / "CANARY"))
    read_objects.save_trusted(path, read_objects._key(), {key: evil} if apart else evil)
    spoil(path)
    restart()
    assert read_objects.read_as("kind", [source], make, apart=apart) == "made"
    assert make.times == 2
    assert not (tmp_path / "CANARY").exists()


def test_python_that_no_command_line_began_keeps_nothing(
    monkeypatch: pytest.MonkeyPatch, cache: Path, tmp_path: Path
) -> None:
    monkeypatch.setattr(read_objects, "_TOGETHER", read_objects._Kept())
    (tmp_path / "file").write_text("text")
    make = Maker("made")
    for _ in range(2):
        read_objects.read_as("kind", [tmp_path / "file"], make)
    read_objects.keep_objects()
    assert make.times == 2
    assert not cache.exists()


@given(st.sampled_from(["a", "a + b*2", "ceiling(a/3) + Max(b, 1)", "a**2 % 7", "a > b and b != 3"]))
def test_a_formula_that_was_kept_is_the_same(text: str) -> None:
    formula = parse(text, "")
    again: Expression = pickle.loads(pickle.dumps(formula))  # noqa: S301 - of this line
    scope = {"a": 5, "b": 9}
    assert (again, hash(again), names(again)) == (formula, hash(formula), names(formula))
    assert evaluate(again, scope, arithmetic) == evaluate(formula, scope, arithmetic)


# One word for many files ---------------------------------------------------------------------------------------------


@pytest.fixture
def files(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    made = [tmp_path / name for name in ("a.yaml", "b.yaml")]
    for path in made:
        path.write_text(path.name)
    now = file_digests.time.time_ns()
    monkeypatch.setattr(file_digests.time, "time_ns", lambda: now + 3600 * SECOND)
    assert not cache.exists()
    return made


def test_files_that_did_not_change_are_not_read_again(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    first = file_digests.contents_digest(files)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", lambda path: (_ for _ in ()).throw(AssertionError(path)))
        assert file_digests.contents_digest(files) == first
    files[0].write_text("other")
    assert file_digests.contents_digest(files) != first


def test_times_that_were_put_back_hide_no_change(files: list[Path]) -> None:
    first, about = file_digests.contents_digest(files), files[0].stat()
    files[0].write_text(files[0].name[::-1])
    os.utime(files[0], ns=(about.st_atime_ns, about.st_mtime_ns))
    assert file_digests.contents_digest(files) != first


def test_what_changed_a_moment_ago_is_not_relied_on(
    files: list[Path], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest = max(path.stat().st_ctime_ns for path in files)
    monkeypatch.setattr(file_digests.time, "time_ns", lambda: newest + SECOND)
    file_digests.contents_digest(files)
    assert not cache.exists()


def test_a_name_a_place_and_an_order_count(files: list[Path], tmp_path: Path) -> None:
    other = tmp_path / "below"
    other.mkdir()
    same = [other / path.name for path in files]
    for path, copy in zip(files, same, strict=True):
        copy.write_bytes(path.read_bytes())
    renamed = same[0].with_name("c.yaml")
    first = file_digests.contents_digest(files)
    assert file_digests.contents_digest(same) == first
    assert file_digests.contents_digest(files[::-1]) != first
    same[0].rename(renamed)
    assert file_digests.contents_digest([renamed, same[1]]) != first


# Numbers of what is asked for ----------------------------------------------------------------------------------------


def test_only_what_is_asked_for_exists(layer: Scenario) -> None:
    asked = ("forward_io_bytes", "roofline_s")
    values, ready = scenario_values(layer), scenario_program(layer)
    whole, some = estimate(ready, values), estimate(ready, values, only=asked)
    assert {name for name, value in some.total.items() if value is not None} >= {*asked}
    for node, same in zip(some.nodes, whole.nodes, strict=True):
        assert {*node.added} == {*asked}
        assert [node.metrics[name] for name in asked] == [same.metrics[name] for name in asked]
    assert some.total["parameters"] is None
    assert whole.total["parameters"] is not None


def test_memory_alone_is_that_of_everything() -> None:
    scenario = make_scenario(definition=default_definition(None))
    ready, numbers = scenario_program(scenario), scenario_values(scenario).numbers
    assert ready.memory is not None
    alone, whole = run_memory(ready, numbers), run_program(ready, numbers)
    assert moments_of(alone) == moments_of(whole)
    assert list(alone.column("peak_memory_bytes")) == list(whole.column("peak_memory_bytes"))


def test_a_part_of_a_source_returns_the_same_rows(layer: Scenario) -> None:
    ready, numbers = scenario_program(layer), scenario_values(layer).numbers
    every = ready.run(numbers)
    for places in ([0], [3, 1], range(len(every))):
        part = compile_function(part_source(ready.source, list(places)))
        assert part(numbers) == tuple(every[place] for place in places)


def test_details_have_no_memory(layer: Scenario) -> None:
    assert answer(layer).total["backward_io_bytes"] is not None


def test_rows_are_worked_out_once_and_where_they_are_asked_for() -> None:
    asked: list[int] = []

    def make(row: int) -> int:
        asked.append(row)
        return row * row

    rows = RowByRow(5, make)
    assert (rows[-1], rows[2], rows[2], len(rows)) == (16, 4, 4, 5)
    assert asked == [4, 2]
    assert (list(rows), rows[1:3]) == ([0, 1, 4, 9, 16], [1, 4])
    assert sorted(asked) == [0, 1, 2, 3, 4]
    with pytest.raises(IndexError):
        rows[5]


# Frozen classes ------------------------------------------------------------------------------------------------------


def _classes(frozen: Any) -> tuple[type, type]:
    @frozen(kw_only=True)
    class Point:
        x: int
        y: Any = attrs.field(default=None, eq=False)
        z: str = attrs.field(default="", repr=False)

    @frozen(kw_only=True)
    class Named:
        name: str
        point: Any

        def __hash__(self) -> int:
            return 7

        def __repr__(self) -> str:
            return self.name

    return Point, Named


@given(x=st.integers(0, 2), other=st.integers(0, 2), z=st.sampled_from(["", "a"]))
def test_frozen_classes_do_what_attrs_would_have_them_do(x: int, other: int, z: str) -> None:
    (point, named), (theirs, their_named) = _classes(records.frozen), _classes(attrs.frozen)
    first, second = point(x=x, y=1), point(x=other, y=2, z=z)
    assert (first == second) == (theirs(x=x, y=1) == theirs(x=other, y=2, z=z))
    assert first != theirs(x=x, y=1)
    assert (first != second) or hash(first) == hash(second)
    assert repr(second) == repr(theirs(x=other, y=2, z=z))
    assert (repr(named(name="n", point=first)), hash(named(name="n", point=first))) == ("n", 7)
    assert repr(their_named(name="n", point=first)) == "n"
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        first.x = 3
