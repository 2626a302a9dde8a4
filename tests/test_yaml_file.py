"""Strict YAML: what PyYAML would misread without a word is an error with file and line."""

from pathlib import Path
from typing import Any

import pytest

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.strict_yaml import read_yaml


def _file(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "file.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def _error(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        read_yaml(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert len(message.splitlines()) == 1
    return message.removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("a: 1", {"a": 1}),
        ("a: -7", {"a": -7}),
        ("a: 1.5", {"a": 1.5}),
        ("a: 3.35e+12", {"a": 3.35e12}),
        ("a: 1.0e-5", {"a": 1e-5}),
        ("a: true\nb: False", {"a": True, "b": False}),
        ("a: ~\nb: null\nc:", {"a": None, "b": None, "c": None}),
        ("{batch, width: 3}", {"batch": None, "width": 3}),
        ("y: 1\nn: 2", {"y": 1, "n": 2}),
        (
            "a: 'no'\nb: \"on\"\nc: '3.35e12'\nd: '2024-01-01'",
            {"a": "no", "b": "on", "c": "3.35e12", "d": "2024-01-01"},
        ),
        ("1: a\n2: b", {1: "a", 2: "b"}),
        ("[1, two, [3]]", [1, "two", [3]]),
        ("a: {x: 1}\nb: {x: 2}", {"a": {"x": 1}, "b": {"x": 2}}),
        ("a: x Wᵀ + b", {"a": "x Wᵀ + b"}),
        (
            "a: nothing\nb: only\nc: 3e\nd: e5\ne: 1e5x",
            {"a": "nothing", "b": "only", "c": "3e", "d": "e5", "e": "1e5x"},
        ),
        ("", None),
    ],
)
def test_plain_data_is_read_as_written(tmp_path: Path, text: str, data: Any) -> None:
    assert read_yaml(_file(tmp_path, text)) == data


@pytest.mark.parametrize(
    ("text", "line", "first"),
    [
        ("a: 1\nb: 2\na: 3", 3, 1),
        ("top:\n  a: 1\n  a: 1", 3, 2),
        ("top:\n  - {a: 1}\n  - {b: 1, b: 2}", 3, 3),
        ("top: {in: {a: 1,\n  a: 2}}", 2, 1),
        ("'a': 1\na: 2", 2, 1),
        ("1: x\n1: y", 2, 1),
    ],
)
def test_key_that_stands_twice_is_an_error_with_both_lines(tmp_path: Path, text: str, line: int, first: int) -> None:
    message = _error(_file(tmp_path, text))
    assert message.startswith(f"line {line}: the key ")
    assert message.endswith(f"stands twice (first on line {first})")


@pytest.mark.parametrize("word", ["no", "No", "NO", "yes", "Yes", "on", "On", "ON", "off", "Off"])
@pytest.mark.parametrize("text", ["a: 1\nb: {word}", "a: 1\nb: [x, {word}]", "a: 1\n{word}: 2"])
def test_word_that_would_be_a_boolean_is_an_error_with_its_line(tmp_path: Path, word: str, text: str) -> None:
    message = _error(_file(tmp_path, text.replace("{word}", word)))
    assert message == f"line 2: '{word}' would be read as a boolean; quote it, or write true/false"


@pytest.mark.parametrize("number", ["3.35e12", "1e3", "-3.35E12", "+1e9", "2.e5", "1e+3", "1e-3", "1_000.5e3", ".5e3"])
def test_number_that_would_be_text_is_an_error_with_its_line(tmp_path: Path, number: str) -> None:
    message = _error(_file(tmp_path, f"a: 1\nb: {{c: {number}}}"))
    assert message == f"line 2: '{number}' would be read as text; write the exponent as in 3.35e+12"


@pytest.mark.parametrize("number", ["1:30", "12:30:45", "010", "0777"])
def test_number_in_an_old_base_is_an_error(tmp_path: Path, number: str) -> None:
    """YAML 1.1 reads 1:30 as 90 and 010 as 8."""
    assert _error(_file(tmp_path, f"a: 1\nb: {number}")).startswith(f"line 2: '{number}' would be read as")


@pytest.mark.parametrize("date", ["2024-01-01", "2024-1-1 10:00:00", "2001-12-14t21:59:43.10-05:00"])
def test_date_is_an_error_with_its_line(tmp_path: Path, date: str) -> None:
    message = _error(_file(tmp_path, f"a: 1\nb: {date}"))
    assert message == f"line 2: '{date}' would be read as a date; quote it"


@pytest.mark.parametrize("key", ["[a]", "1.5", "~", "{a: 1}", "true"])
def test_key_that_is_no_word_is_an_error(tmp_path: Path, key: str) -> None:
    assert "is not a word" in _error(_file(tmp_path, f"a: 1\n? {key}\n: 2"))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: [1, 2", 2),
        ("a: 1\nb: {c: 1", 3),
        ("a:\n\t- b", 2),
        ("a: 'open", 2),
        ("a: 1\n b: 2", 2),
        ("a: 1\n---\nb: 2", 2),
        ("a: *unknown", 1),
        ("a: 1\nb: !!python/object/apply:os.getcwd []", 2),
        ("a: &x {b: 1}\nc: {<<: *x}", 2),
    ],
)
def test_syntax_error_says_the_line(tmp_path: Path, text: str, line: int) -> None:
    found = _error(_file(tmp_path, text))
    assert found.startswith("line ")
    assert abs(int(found.split(":")[0].removeprefix("line ")) - line) <= 1


def test_unknown_tag_is_refused_and_nothing_runs(tmp_path: Path) -> None:
    target = tmp_path / "touched"
    path = _file(
        tmp_path, f"a: !!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path ['{target}']]"
    )
    assert "could not determine a constructor" in _error(path)
    assert not target.exists()


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b"a: \xe9", b"a: \x80"])
def test_file_that_is_not_utf8_is_an_error(tmp_path: Path, data: bytes) -> None:
    assert _error(_file(tmp_path, data)) == "cannot be read: not UTF-8 text"


def test_control_character_is_an_error(tmp_path: Path) -> None:
    assert "#x0001" in _error(_file(tmp_path, b"a: \x01"))


def test_number_of_thousands_of_digits_is_an_error(tmp_path: Path) -> None:
    _error(_file(tmp_path, "a: " + "1" * 5000))


def test_missing_file_is_an_error(tmp_path: Path) -> None:
    assert _error(tmp_path / "absent.yaml") == "cannot be read: No such file or directory"


def test_folder_is_an_error(tmp_path: Path) -> None:
    assert _error(tmp_path) == "cannot be read: Is a directory"
