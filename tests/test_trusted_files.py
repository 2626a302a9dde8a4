"""Files that are taken at their word are this user's own and whole; what else lies there is made anew, never run."""

import gzip
import json
import marshal
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.evaluation import program, program_builder
from dsocr_symbolic.language import strict_yaml, trusted_files
from dsocr_symbolic.language.lookup import find_definition, layer_definition
from dsocr_symbolic.language.trusted_files import load_trusted, save_trusted
from dsocr_symbolic.paths import data_files
from dsocr_symbolic.regenerate import default_slots

pytestmark = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="no file has an owner here, and none is trusted")
KEY = "a" * 32
CONTENT = {"numbers": [1, 2, 10**30], b"bytes": (None, True, "text")}


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    path = tmp_path / "below" / "file"
    save_trusted(path, KEY, CONTENT)
    assert load_trusted(path, KEY) == CONTENT
    return path


def test_nobody_else_may_write_to_it(kept: Path) -> None:
    assert kept.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in kept.parent.iterdir()] == ["file"]


def test_another_key_is_another_file(kept: Path) -> None:
    assert load_trusted(kept, "b" * 32) is None


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_to_is_not_taken(kept: Path, mode: int) -> None:
    kept.chmod(mode)
    assert load_trusted(kept, KEY) is None


def test_a_file_of_another_user_is_not_taken(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    user = os.geteuid() + 1
    monkeypatch.setattr(trusted_files.os, "geteuid", lambda: user)
    assert load_trusted(kept, KEY) is None


def test_a_file_of_another_interpreter_is_not_taken(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version", "3.99.0 (another)")
    assert load_trusted(kept, KEY) is None


def test_a_link_a_folder_and_a_pipe_are_not_taken(kept: Path) -> None:
    link, folder, pipe = (kept.with_name(name) for name in ("link", "folder", "pipe"))
    link.symlink_to(kept)
    folder.mkdir()
    os.mkfifo(pipe)
    assert [load_trusted(path, KEY) for path in (link, folder, pipe, kept.with_name("absent"))] == [None] * 4


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "truncated": lambda data: data[: len(data) // 2],
    "last byte lost": lambda data: data[:-1],
    "byte added": lambda data: data + b"\0",
    "header lost": lambda data: data.partition(b"\n")[2],
    "body lost": lambda data: data.partition(b"\n")[0] + b"\n",
    "body of another": lambda data: data.partition(b"\n")[0] + b"\n" + marshal.dumps({}),
    "byte changed": lambda data: data[:-5] + bytes([data[-5] ^ 1]) + data[-4:],
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_file_is_not_taken(kept: Path, damage: Callable[[bytes], bytes]) -> None:
    kept.write_bytes(damage(kept.read_bytes()))
    assert load_trusted(kept, KEY) is None


def test_a_body_that_marshal_cannot_read_is_not_taken(kept: Path) -> None:
    body = b"\xff" * 9
    kept.write_bytes(trusted_files._header(KEY, body) + b"\n" + body)
    assert load_trusted(kept, KEY) is None


def test_where_files_have_no_owner_none_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(trusted_files.os, "geteuid")
    save_trusted(tmp_path / "file", KEY, CONTENT)
    assert load_trusted(tmp_path / "file", KEY) is None
    assert not [*tmp_path.iterdir()]


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    save_trusted(tmp_path / "file" / "below", KEY, CONTENT)
    save_trusted(tmp_path / "other", KEY, object())
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


# Programs ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DSOCR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


# A program, and what memory alone follows from.
EACH = 2


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what is compiled from text."""
    sources: list[str] = []
    compile_source = program.compile_source

    def noted(source: str) -> Any:
        sources.append(source)
        return compile_source(source)

    monkeypatch.setattr(program, "compile_source", noted)
    return sources


def _load() -> program.Program:
    return program.load_program(layer_definition(find_definition("deepseek-ocr"), "core/layer_norm"), {})


def test_a_program_is_compiled_once(cache: Path, compiled: list[str]) -> None:
    first, second = _load(), _load()
    assert len(compiled) == EACH
    assert {path.suffix for path in cache.iterdir()} - {""} == {".json", ".code"}
    assert (second.rows, second.columns, second.members, second.source) == (
        first.rows,
        first.columns,
        first.members,
        first.source,
    )


BAD: dict[str, Callable[[Path], Any]] = {
    "open to others": lambda path: path.chmod(0o666),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-9]),
    "a link": lambda path: (path.rename(path.with_name("else")), path.symlink_to(path.with_name("else"))),
    "gone": lambda path: path.unlink(),
}


@pytest.mark.parametrize("spoil", BAD.values(), ids=BAD.keys())
def test_a_bad_file_is_compiled_anew_and_never_run(
    spoil: Callable[[Path], Any], cache: Path, compiled: list[str], tmp_path: Path
) -> None:
    expected = _load().source
    (path,) = cache.glob("*.code")
    content = load_trusted(path, path.stem)
    evil = compile(f"open({str(tmp_path / 'CANARY')!r}, 'w')", "<evil>", "exec")
    save_trusted(path, path.stem, {**content, "code": evil, "memory": evil})
    spoil(path)
    assert _load().source == expected
    assert len(compiled) == 2 * EACH
    assert not (tmp_path / "CANARY").exists()
    _load()
    assert len(compiled) == 2 * EACH


def test_content_of_another_shape_is_compiled_anew(cache: Path, compiled: list[str]) -> None:
    _load()
    (path,) = cache.glob("*.code")
    for content in ([1], {}, {"rows": 1}, "text"):
        save_trusted(path, path.stem, content)
        _load()
    assert len(compiled) == 5 * EACH


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "shipped.json.gz"
    monkeypatch.setattr(program, "shipped_file", lambda *_, **__: path)
    return path


@pytest.mark.usefixtures("cache")
def test_what_is_shipped_is_not_built(shipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    definition = find_definition("llama")
    slots = default_slots(definition)
    shipped.write_bytes(program.to_ship(definition, slots, details=False))
    monkeypatch.setattr(program_builder, "build_program", None)
    assert len(program.load_program(definition, slots).rows) > 10
    with pytest.raises(TypeError):
        program.load_program(definition, slots, details=True)


@pytest.mark.usefixtures("cache")
def test_what_was_shipped_for_other_formulas_or_is_no_arithmetic_is_built_anew(shipped: Path, tmp_path: Path) -> None:
    definition = layer_definition(find_definition("deepseek-ocr"), "core/layer_norm")
    good = gzip.decompress(program.to_ship(definition, {}, details=False)).decode()
    key, _, body = good.partition("\n")
    evil = {**json.loads(body), "source": f"open({str(tmp_path / 'CANARY')!r}, 'w')\ndef run(v):\n    return ()\n"}
    expected = json.loads(body)["source"]
    for content in (f"{'0' * 32}\n{body}", f"{key}\n{json.dumps(evil)}", f"{key}\n[", "", key):
        shipped.write_bytes(gzip.compress(content.encode()))
        assert program.load_program(definition, {}).source == expected
    shipped.write_bytes(b"no gzip")
    assert program.load_program(definition, {}).source == expected
    assert not (tmp_path / "CANARY").exists()


@pytest.mark.parametrize("name", data_files("formulas/models"))
def test_shipped_programs_are_of_these_formulas_and_this_code(name: str) -> None:
    definition = find_definition(name)
    path = program.shipped_file(name, details=False)
    key = program.program_key(definition, default_slots(definition), details=False)
    stale = f"{path} is stale: run python -m dsocr_symbolic.regenerate"
    assert gzip.decompress(path.read_bytes()).decode().partition("\n")[0] == key, stale


# Documents -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def documents(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for known in ("_RECALLED", "_NEW"):
        monkeypatch.setattr(strict_yaml, known, {})
    return cache / "documents"


def test_a_document_is_recalled_by_its_bytes(documents: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file.yaml"
    path.write_text("a: [1, 2.5, yes it is, null]\n1: {b: true}\n", encoding="utf-8")
    read = strict_yaml.read_yaml(path)
    strict_yaml.keep_documents()
    assert documents.is_file()
    monkeypatch.setattr(strict_yaml, "_RECALLED", {})
    strict_yaml.recall_documents()
    monkeypatch.setattr(strict_yaml, "_parsed", None)
    again = strict_yaml.read_yaml(path)
    assert again == read
    assert again is not strict_yaml.read_yaml(path)
    path.write_text("a: 2\n", encoding="utf-8")
    with pytest.raises(TypeError):
        strict_yaml.read_yaml(path)


@pytest.mark.usefixtures("documents")
def test_a_document_with_a_mistake_is_refused_each_time(tmp_path: Path) -> None:
    path = tmp_path / "file.yaml"
    path.write_text("a: no\n", encoding="utf-8")
    for _ in range(2):
        with pytest.raises(UserError, match="boolean"):
            strict_yaml.read_yaml(path)
        strict_yaml.keep_documents()


def test_documents_that_others_may_change_are_read_anew(documents: Path, tmp_path: Path) -> None:
    path = tmp_path / "file.yaml"
    path.write_text("a: 1\n", encoding="utf-8")
    strict_yaml.read_yaml(path)
    strict_yaml.keep_documents()
    documents.chmod(0o666)
    strict_yaml._RECALLED.clear()
    strict_yaml.recall_documents()
    strict_yaml._take()
    assert not strict_yaml._RECALLED
    assert strict_yaml.read_yaml(path) == {"a": 1}
